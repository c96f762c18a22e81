//! [`Attempt`]: one request and its response, for programs that send requests themselves.

use std::time::SystemTime;

use crate::clock::{SentAt, SkewClock};
use crate::decide::{Decision, Exchange};
use crate::evidence::{Evidence, ResponseView};
use crate::host::Host;
use crate::offset::whole_seconds;

/// One request and its response, for a signer that uses neither the AWS SDK nor Tower: for
/// example in a blocking program, without Tokio, or in a browser.
///
/// An attempt does no I/O and signs nothing. It returns the time to sign with, observes the
/// response, and returns whether to sign and send the request once more:
///
/// ```
/// # #[cfg(feature = "test-util")]
/// # fn example() -> Option<()> {
/// use std::time::{Duration, UNIX_EPOCH};
///
/// use aws_clock_skew::evidence::ResponseView;
/// use aws_clock_skew::{ManualClock, NextStep, SkewClock};
///
/// // In a program of your own: `SkewClock::new()`, once.
/// let local = UNIX_EPOCH + Duration::from_secs(1_799_992_800); // 06:00, two hours behind
/// let clock = SkewClock::builder().local_clock(ManualClock::new(local)).build();
///
/// let mut signed_at = Vec::new();
/// let mut attempt = clock.attempt("https://sqs.us-east-1.amazonaws.com/");
/// let status = loop {
///     // Sign the request with this time, and send it.
///     let time = attempt.signing_time();
/// #   let is_late = signed_at.is_empty();
///     signed_at.push(time);
/// #   let (status, body): (u16, &[u8]) = if is_late {
/// #       (403, b"Signature expired: 20270115T060000Z is now earlier than 20270115T074500Z (20270115T080000Z - 15 min.)")
/// #   } else {
/// #       (200, b"")
/// #   };
///     match attempt.observe(&ResponseView::new(status, body)) {
///         NextStep::Finish => break status,
///         NextStep::SignAgain => {}
///     }
/// };
/// assert_eq!(status, 200);
/// assert_eq!(signed_at[1].duration_since(signed_at[0]).ok()?.as_secs(), 7_200);
/// // Every later request is signed with the server's time from the start.
/// assert_eq!(clock.attempt("https://sqs.us-east-1.amazonaws.com/").signing_time(), signed_at[1]);
/// # Some(())
/// # }
/// # #[cfg(feature = "test-util")]
/// # example().unwrap();
/// ```
///
/// In a browser (`wasm32-unknown-unknown`) the standard library has no clock. Implement
/// [`LocalClock`](crate::LocalClock) with `Date.now` and `performance.now`, and pass it to
/// [`SkewClockBuilder::local_clock`](crate::SkewClockBuilder::local_clock).
///
/// [`SkewClock::attempt`] returns it. Use a new attempt for each request. An attempt whose
/// response is never observed changes nothing.
#[derive(Debug)]
pub struct Attempt {
    clock: SkewClock,
    host: Option<Host>,
    service: Option<Box<str>>,
    sent: SentAt,
    is_resend: bool,
    /// Whether a resend is due whose response was not observed yet.
    is_pending: bool,
}

/// What to do after a response; returned by [`Attempt::observe`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "a loop has to know both")]
pub enum NextStep {
    /// Return the response to the caller, whether it is a success or an error.
    Finish,
    /// Sign the request again with [`Attempt::signing_time`], and send it once more.
    SignAgain,
}

impl SkewClock {
    /// Returns an [`Attempt`] for one request to an absolute URL.
    ///
    /// The URL has to be the one that the request is sent to: its host is the host that is
    /// observed, and its scheme tells whether TLS has authenticated that host.
    ///
    /// ```
    /// use aws_clock_skew::evidence::ResponseView;
    /// use aws_clock_skew::{NextStep, SkewClock};
    ///
    /// let clock = SkewClock::new();
    /// let mut attempt = clock.attempt("https://sqs.us-east-1.amazonaws.com/").with_service("sqs");
    /// let time = attempt.signing_time(); // Sign the request with this time, and send it.
    /// let response = ResponseView::new(200, b"");
    /// assert_eq!(attempt.observe(&response), NextStep::Finish);
    /// ```
    pub fn attempt(&self, url: &str) -> Attempt {
        let host = Host::of_uri(url);
        Attempt {
            clock: self.clone(),
            sent: SentAt::now(self, || host.clone()),
            host,
            service: None,
            is_resend: false,
            is_pending: false,
        }
    }
}

impl Attempt {
    /// Sets the name of the service for log events, such as `"sqs"`.
    #[must_use]
    pub fn with_service(mut self, service: &str) -> Self {
        self.service = Some(service.into());
        self
    }

    /// Returns the time to sign with. Call it just before you sign, and send the request at
    /// once: [`observe`](Self::observe) takes the next response as the one to a request
    /// signed with this time.
    pub fn signing_time(&mut self) -> SystemTime {
        self.sent = SentAt::now(&self.clock, || self.host.clone());
        self.sent.signing.now
    }

    /// Observes the response to the request, updates the clock, and returns what to do
    /// next.
    ///
    /// Call it for each response, whatever its status is, when its head and the beginning
    /// of an error body are read. The body of a success may be left out. The result is
    /// [`NextStep::SignAgain`] once at most. If the request's body cannot be sent twice,
    /// return the response all the same: the clock is corrected, and the next request
    /// succeeds.
    pub fn observe(&mut self, response: &ResponseView<'_>) -> NextStep {
        let evidence = Evidence::read(response);
        self.is_pending = false;
        let host = self.host.as_ref();
        let sent = self.sent;
        let (date, accepted) = (|| evidence.date(), evidence.accepted());
        let must_observe =
            self.is_resend || (self.clock).must_observe(sent, accepted, date, || host.cloned());
        if !must_observe {
            return NextStep::Finish;
        }
        let signed_at = whole_seconds(sent.signing.now);
        let exchange = Exchange {
            trip: sent.round_trip(Some(signed_at), self.clock.reading()),
            evidence: &evidence,
            host,
            service: self.service.as_deref(),
            operation: None,
            is_resend: self.is_resend,
        };
        if self.clock.observe(&exchange) == Decision::Pass {
            return NextStep::Finish;
        }
        self.is_resend = true;
        self.is_pending = true;
        NextStep::SignAgain
    }
}

impl Drop for Attempt {
    /// Counts a resend that got no response as failed.
    fn drop(&mut self) {
        if self.is_pending {
            self.clock.resend_failed();
        }
    }
}
