//! [`Attempt`]: one request and its response, for programs that send by themselves.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::clock::{SentAt, SkewClock};
use crate::decide::{Decision, Exchange};
use crate::evidence::{Evidence, ResponseView};
use crate::host::Host;

/// One request and its response, for a signer that is neither under the AWS SDK nor over
/// Tower: a blocking program, one without Tokio, one in a browser.
///
/// It does no I/O and signs nothing. It says which time to sign with, takes what came
/// back, and says whether to sign and send the request once more:
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
/// In a browser (`wasm32-unknown-unknown`) the standard library has no clock: give the
/// builder a [`LocalClock`](crate::LocalClock) of your own, over `Date.now` and
/// `performance.now`.
///
/// Made by [`SkewClock::attempt`]. Use one for each request. The time of a request that is
/// never observed says nothing, and does no harm.
#[derive(Debug)]
pub struct Attempt {
    clock: SkewClock,
    host: Option<Host>,
    service: Option<Box<str>>,
    sent: SentAt,
    is_resend: bool,
    /// The resend has no response yet.
    is_pending: bool,
}

/// What to do after a response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "a loop has to know both")]
pub enum NextStep {
    /// The response is the result, success or error.
    Finish,
    /// Sign the request again, with [`Attempt::signing_time`], and send it once more.
    SignAgain,
}

impl SkewClock {
    /// Begins a request to an absolute URL.
    ///
    /// The URL's host has to be the one that the request goes to, and its scheme says
    /// whether TLS has authenticated it.
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
    /// Names the service, such as `"sqs"`, in log events.
    #[must_use]
    pub fn with_service(mut self, service: &str) -> Self {
        self.service = Some(service.into());
        self
    }

    /// Returns the time to sign with now. Ask just before you sign, and send at once:
    /// the next response is taken for that of a request which was signed with it.
    pub fn signing_time(&mut self) -> SystemTime {
        self.sent = SentAt::now(&self.clock, || self.host.clone());
        self.sent.signing().now
    }

    /// Takes the response to the request, updates the clock with it, and says what to do.
    ///
    /// Call it once the whole head and the beginning of an error body are read, whatever
    /// the status is. The body of a success may be left out. It asks for one more send at
    /// most; the response to that is the result. A request whose body cannot be sent
    /// twice is finished anyway: the next one succeeds.
    pub fn observe(&mut self, response: &ResponseView<'_>) -> NextStep {
        let evidence = Evidence::read(response);
        self.is_pending = false;
        let host = self.host.as_ref();
        let is_aws = || host.is_some_and(Host::is_aws);
        let sent = self.sent;
        let is_of_interest = self.is_resend
            || !evidence.accepted()
            || (self.clock).wants_accepted(sent.reading, || evidence.date(), is_aws);
        if !is_of_interest {
            return NextStep::Finish;
        }
        let signed_at = whole_seconds(sent.signing().now);
        let decision = self.clock.observe(&Exchange {
            trip: sent.round_trip(Some(signed_at), self.clock.reading()),
            evidence: &evidence,
            host,
            service: self.service.as_deref(),
            operation: None,
            is_resend: self.is_resend,
        });
        match decision {
            Decision::Pass => NextStep::Finish,
            Decision::Resign => {
                self.is_resend = true;
                self.is_pending = true;
                NextStep::SignAgain
            }
        }
    }
}

impl Drop for Attempt {
    /// A resend that got no response is counted as one that failed.
    fn drop(&mut self) {
        if self.is_pending {
            self.clock.resend_failed();
        }
    }
}

/// What a signature says of its time.
fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since.as_secs())
}
