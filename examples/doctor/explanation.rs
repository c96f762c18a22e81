//! Explains the text of an error.

use std::time::SystemTime;

use aws_clock_skew::diagnosis::{Cause, Diagnosis};
use aws_clock_skew::evidence::{Evidence, ResponseView};
use aws_clock_skew::{LocalClock, ManualClock, SkewClock};

/// The possible causes of an error, with advice.
#[derive(Clone, Debug)]
pub(crate) struct Explanation(Vec<Diagnosis>);

impl Explanation {
    /// Explains the text of an error, which may be old. The local clock counts only if the text
    /// states no time.
    pub(crate) fn of(text: &str, local: &dyn LocalClock) -> Self {
        if text.trim().is_empty() {
            return Self(Vec::new());
        }
        let response = ResponseView::new(403, text.as_bytes());
        let evidence = Evidence::read(&response);
        let by = |wall: SystemTime| {
            let clock = SkewClock::builder().local_clock(ManualClock::new(wall));
            clock.build().diagnose_response(&response)
        };
        let range = evidence.server_time_range();
        let server = evidence
            .server_time()
            .or(range.map(|(earliest, _)| earliest));
        let mut causes = match (evidence.request_time(), server) {
            // Either the clock of the signer showed the time of the request when the server
            // answered, or it was correct.
            (Some(request), Some(server)) => vec![by(request), by(server)],
            _ => vec![by(local.wall())],
        };
        causes.dedup();
        Self(causes)
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (at, diagnosis) in self.0.iter().enumerate() {
            let cause = diagnosis.cause().to_string();
            lines.push(match (diagnosis.cause(), self.0.len(), at) {
                (Cause::Unknown, ..) => "The text does not name the cause.".to_owned(),
                (_, 1, _) => format!("Cause: {cause}."),
                (_, _, 0) => format!("Either {cause}."),
                _ => format!("Or {cause}."),
            });
            lines.push(format!("  {}", diagnosis.advice()));
        }
        if self.0.is_empty() {
            lines.push("There is no text to explain; try --help.".to_owned());
        }
        if self.0.len() > 1 {
            lines.push("To find out which: doctor https://sts.amazonaws.com".to_owned());
        }
        lines
    }

    pub(crate) fn exit_code(&self) -> u8 {
        let codes = self.0.iter().map(|diagnosis| match diagnosis.cause() {
            Cause::Clock(_) | Cause::ExpiredInTransit(_) | Cause::AnotherClock(_) => 1,
            Cause::Unknown => 2,
            _ => 0,
        });
        codes.max().unwrap_or(2)
    }
}
