//! [`Details`]: the numbers and names of an event, and the list of their fields.

use std::time::{Duration, SystemTime};

use crate::timestamp::iso_8601;

/// Calls another macro with the list of all details: the type of each, and its names and
/// formats in logs and JSON. There is no other list of them.
macro_rules! each_detail {
    ($then:ident!($($context:tt)*)) => {
        $then! {
            ($($context)*)
            /// Server time − local time, after the event. Positive: the local clock is behind.
            offset: $crate::offset::ClockOffset =>
                "offset": |offset| offset.to_string(),
                "offset_ms": |offset| offset.as_millis();
            /// Server time − local time, before the event.
            previous_offset: $crate::offset::ClockOffset =>
                "previous_offset_ms": |offset| offset.as_millis();
            /// How far `offset` can be from the true offset.
            uncertainty: std::time::Duration =>
                "uncertainty_ms": $crate::event::Details::whole_millis;
            /// How old the signature was by the server's clock. For the end of a
            /// correction: how long ago it was last updated.
            age: std::time::Duration =>
                "age_ms": $crate::event::Details::whole_millis;
            /// The part of the response that states the server's time.
            time_source: $crate::evidence::Source =>
                "time_source": |source| source.as_str();
            /// The time that the request was signed with.
            signed_at: std::time::SystemTime =>
                "signed_at": $crate::event::Details::time;
            /// The server's time, as it was stated, or as it follows from a stated bound.
            server_time: std::time::SystemTime =>
                "server_time": $crate::event::Details::time;
            /// The host that sent the response.
            server_address: $crate::event::Label =>
                "server.address": $crate::event::Label::as_str;
            /// The host that `server_address` disagrees with.
            other_address: $crate::event::Label =>
                "other.address": $crate::event::Label::as_str;
            /// The name of the service in signatures, such as `sqs`.
            service: $crate::event::Label =>
                "rpc.service": $crate::event::Label::as_str;
            /// The name of the operation in the SDK.
            method: $crate::event::Label =>
                "rpc.method": $crate::event::Label::as_str;
            /// The request id from the service.
            request_id: $crate::event::Label =>
                "aws.request_id": $crate::event::Label::as_str;
            /// The error code from the service.
            error_type: $crate::event::Label =>
                "error.type": $crate::event::Label::as_str;
            /// Whether the clock corrects or only observes.
            mode: $crate::event::Mode =>
                "mode": $crate::event::Mode::as_str;
            /// The clock's name, as it was set with the builder.
            clock: $crate::event::Label =>
                "clock": $crate::event::Label::as_str;
        }
    };
}
pub(crate) use each_detail;

macro_rules! define {
    (() $($(#[$doc:meta])* $field:ident: $type:ty => $($name:literal: $form:expr),+;)*) => {
        /// The numbers and names of an event. A detail that is not known is `None`.
        ///
        /// ```
        /// use aws_clock_skew::SkewClock;
        ///
        /// let clock = SkewClock::builder()
        ///     .on_event(|event| {
        ///         let details = event.details();
        ///         eprintln!("{}: {:?}, {:?}", event.name(), details.offset, details.server_address);
        ///     })
        ///     .build();
        /// # assert!(!clock.is_observe_only());
        /// ```
        #[derive(Clone, Debug, Default, Eq, PartialEq)]
        #[non_exhaustive]
        pub struct Details {
            $($(#[$doc])* pub $field: Option<$type>,)*
        }
    };
}
each_detail!(define!());

/// The formats of details in logs and JSON.
impl Details {
    pub(crate) fn whole_millis(duration: &Duration) -> u64 {
        u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn time(time: &SystemTime) -> String {
        iso_8601(*time).unwrap_or_else(|| "before 1970".to_owned())
    }
}

/// What a [`SkewClock`](crate::SkewClock) does about clock skew.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Mode {
    /// The clock corrects signatures.
    Correct,
    /// The clock reports clock skew and corrects nothing; see
    /// [`SkewClockBuilder::observe_only`](crate::SkewClockBuilder::observe_only).
    Observe,
}

impl Mode {
    /// Returns the `mode` field of log events and metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Correct => "correct",
            Self::Observe => "observe",
        }
    }
}

#[cfg(feature = "serde")]
mod serialize {
    use serde::ser::{Serialize, SerializeMap, Serializer};

    use crate::event::SkewEvent;

    macro_rules! entries {
        (($map:ident, $details:ident)
         $($(#[$doc:meta])* $field:ident: $type:ty => $($name:literal: $form:expr),+;)*) => {
            $($(entry(&mut $map, $name, $details.$field.as_ref().map($form))?;)+)*
        };
    }

    impl Serialize for SkewEvent {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let (kind, details) = (self.kind(), self.details());
            let mut map = serializer.serialize_map(None)?;
            map.serialize_entry("event", kind.name())?;
            let [reason, cause, missing] = kind.fields();
            entry(&mut map, "reason", reason)?;
            entry(&mut map, "cause", cause)?;
            entry(&mut map, "missing", missing)?;
            each_detail!(entries!(map, details));
            map.end()
        }
    }

    /// Writes an entry, unless its value is not known.
    fn entry<M: SerializeMap>(
        map: &mut M,
        name: &'static str,
        value: Option<impl Serialize>,
    ) -> Result<(), M::Error> {
        match value {
            Some(value) => map.serialize_entry(name, &value),
            None => Ok(()),
        }
    }
}
