//! The events in the log, field by field.

use std::collections::BTreeMap;

use tracing::Level;

use capture::{Capture, Emitted};

#[expect(dead_code, reason = "here the types of the fields are of no interest")]
#[path = "../events/capture.rs"]
mod capture;

#[derive(Clone, Debug)]
pub(crate) struct Logged {
    pub(crate) level: Level,
    pub(crate) fields: BTreeMap<String, String>,
}

impl Logged {
    fn of(emitted: Emitted) -> Self {
        let fields = emitted.fields.into_iter();
        Self {
            level: emitted.level,
            fields: fields
                .map(|(name, value)| (name, value.to_string()))
                .collect(),
        }
    }

    pub(crate) fn get(&self, field: &str) -> Option<&str> {
        self.fields.get(field).map(String::as_str)
    }
}

/// Captures all that the crate's targets log on this thread while this value lives.
pub(crate) struct Log(Capture);

impl Log {
    pub(crate) fn start() -> Self {
        Self(Capture::start())
    }

    /// The log events, without metrics.
    pub(crate) fn events(&self) -> Vec<Logged> {
        self.0.log().into_iter().map(Logged::of).collect()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.0.names()
    }

    pub(crate) fn metrics(&self) -> Vec<Logged> {
        self.0.metrics().into_iter().map(Logged::of).collect()
    }

    /// How often a counter was increased with this value of this field.
    pub(crate) fn counted(&self, counter: &str, field: &str, value: &str) -> usize {
        let name = format!("monotonic_counter.aws_clock_skew.{counter}");
        let metrics = self.metrics();
        let of_value = metrics
            .iter()
            .filter(|event| event.get(field) == Some(value));
        // Each counter starts with a 0.
        let counts = of_value.filter_map(|event| event.get(&name)?.parse::<usize>().ok());
        counts.sum()
    }
}
