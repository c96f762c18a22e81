//! [`Operation`]: what the interceptor remembers of one call of a client.

use std::time::{Duration, SystemTime};

use aws_smithy_runtime::client::retries::TokenBucket;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::config_bag::{Storable, StoreReplace};

use crate::clock::SkewClock;
use crate::evidence::ResponseView;
use crate::host::Host;
use crate::judge::Attempt;
use crate::local_clock::Reading;
use crate::resign::is_signature;
use crate::ruling::Exchange;
use crate::sdk::limiter::Lease;
use crate::timestamp;

/// One value in the config bag, so that an accepted call costs one allocation;
/// what only a rejection needs is copied raw and read later.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) stage: Stage,
    /// The clock whose interceptor this belongs to.
    clock: usize,
    /// The last attempt whose end was heard.
    heard: Option<u32>,
    pub(super) native: Native,
    /// The number of the request, once it was rejected.
    pub(super) request: Option<u64>,
    /// Which clock signs an attempt that begins now, unless it moves.
    moves: u64,
    pub(super) moves_at_signing: u64,
    pub(super) sent: Option<Reading>,
    /// Not read where the answer says nothing new.
    pub(super) received: Option<Reading>,
    pub(super) is_replayable: bool,
    /// The user's token bucket, while ours is in its place.
    pub(super) lent: Option<Box<TokenBucket>>,
    pub(super) lease: Lease,
    amz_date: [u8; AMZ_DATE],
    uri: Beginning,
}

impl Storable for Operation {
    type Storer = StoreReplace<Self>;
}

/// How far the one retry of an operation has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    Fresh,
    /// The next answer is that to a request signed again.
    SignedAgain,
    Done,
}

/// What the SDK's own correction does in an operation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Native {
    /// What the user's settings make it do.
    AsSet,
    /// Nothing: we do.
    Silenced,
    /// It corrects, for a host in dispute, and we only watch.
    Acting,
}

impl Operation {
    pub(super) fn new(clock: &SkewClock, native: Native) -> Self {
        Self {
            stage: Stage::Fresh,
            clock: clock.address(),
            heard: None,
            native,
            request: None,
            moves: clock.moves(),
            moves_at_signing: Exchange::SIGNED_BY_ANOTHER,
            sent: None,
            received: None,
            is_replayable: true,
            lent: None,
            lease: Lease::default(),
            amz_date: [0; AMZ_DATE],
            uri: Beginning::NONE,
        }
    }

    pub(super) fn belongs_to(&self, clock: &SkewClock) -> bool {
        self.clock == clock.address()
    }

    /// Returns whether the end of this attempt is news: a client may have two
    /// interceptors of one clock.
    pub(super) fn hears_of(&mut self, attempt: Option<u32>) -> bool {
        let is_news = self.heard != attempt;
        self.heard = attempt;
        is_news
    }

    /// Forgets the attempt before, as one may fail before it departs.
    pub(super) fn begin_attempt(&mut self, moves: u64) {
        self.moves = moves;
        self.sent = None;
        self.received = None;
    }

    /// Copies of a signed request, by `now` and after so many moves of the clock,
    /// what may be needed when it is gone.
    pub(super) fn depart(&mut self, request: &HttpRequest, now: Reading, moves: u64) {
        self.sent = None;
        let mut is_signed = false;
        self.amz_date = [0; AMZ_DATE];
        // Going through a dozen headers once is cheaper than looking one up.
        for (name, value) in request.headers().iter_bytes() {
            match name {
                "x-amz-date" => self.amz_date = value.try_into().unwrap_or([0; AMZ_DATE]),
                "authorization" => is_signed = is_signature(value),
                _ => {}
            }
        }
        if !is_signed {
            return;
        }
        self.sent = Some(now);
        // It was signed a moment ago. If the clock has moved since the attempt began,
        // nobody knows by which of the two.
        self.moves_at_signing = if moves == self.moves && self.native != Native::Acting {
            moves
        } else {
            Exchange::SIGNED_BY_ANOTHER
        };
        self.uri = Beginning::of(request.uri());
        let body = request.body();
        // A body in memory can always be sent again; only others are asked.
        self.is_replayable = body.bytes().is_some() || body.try_clone().is_some();
    }

    /// Returns the attempt that was answered, or `None` if it was not sent, or not
    /// signed, or its answer says nothing new.
    pub(super) fn attempt(&self, clock: &SkewClock) -> Option<Attempt> {
        let (received, sent) = (self.received?, self.sent?);
        let signed_at = self.signed_at();
        Some(Attempt {
            signed_at,
            signing_boot: sent
                .boot
                .saturating_sub(self.waited(signed_at, sent, clock)),
            sent,
            received,
        })
    }

    /// Returns for how long the request was signed and not sent: the process may have
    /// been frozen, or another interceptor have taken its time. Known if the clock
    /// that signed is the one of now.
    fn waited(&self, signed_at: Option<SystemTime>, sent: Reading, clock: &SkewClock) -> Duration {
        if self.moves_at_signing != clock.moves() {
            return Duration::ZERO;
        }
        let departed = if clock.is_corrected() {
            clock.stood_at(sent.boot)
        } else {
            // What the wall clock shows now, it may show since it was set.
            sent.wall
        };
        let waited = signed_at.and_then(|signed_at| departed.duration_since(signed_at).ok());
        waited.unwrap_or_default()
    }

    pub(super) fn host(&self) -> Option<Host> {
        self.uri.host()
    }

    fn signed_at(&self) -> Option<SystemTime> {
        timestamp::sigv4(str::from_utf8(&self.amz_date).ok()?)
    }
}

/// Returns what the answer says, as far as it concerns the clock. `text` is the
/// body of an answer that is no success.
pub(super) fn view<'a>(response: &'a HttpResponse, text: &'a [u8]) -> ResponseView<'a> {
    view_of(response, text, false)
}

/// The same, of a response that our HTTP client may have marked: it puts `Age: 0` there itself.
pub(super) fn view_of<'a>(
    response: &'a HttpResponse,
    text: &'a [u8],
    is_marked: bool,
) -> ResponseView<'a> {
    let is_our_age = is_marked && response.headers().get("age") == Some("0");
    let headers = response.headers().iter_bytes();
    let headers = headers.filter(|(name, _)| !(is_our_age && *name == "age"));
    ResponseView::new(response.status().as_u16(), text).with_headers(headers)
}

/// Returns the first `Date`, and nothing else that the answer says.
pub(super) fn date_of(response: &HttpResponse) -> Option<SystemTime> {
    let mut headers = response.headers().iter_bytes();
    let (_, date) = headers.find(|(name, _)| *name == "date")?;
    timestamp::http_date(std::str::from_utf8(date).ok()?)
}

/// The beginning of a URI, as a rule without an allocation: it is looked into only when
/// it matters who answers.
enum Beginning {
    Short {
        bytes: [u8; USUAL_ORIGIN],
        length: u8,
    },
    Long(Box<str>),
}

impl Beginning {
    const NONE: Self = Self::Short {
        bytes: [0; USUAL_ORIGIN],
        length: 0,
    };

    fn of(uri: &str) -> Self {
        let length = uri.len().min(USUAL_ORIGIN);
        let beginning = uri.as_bytes().get(..length).unwrap_or_default();
        let is_enough = uri.len() == length || has_host(beginning);
        let mut bytes = [0; USUAL_ORIGIN];
        match (u8::try_from(length), bytes.get_mut(..length)) {
            (Ok(length), Some(room)) if is_enough => {
                room.copy_from_slice(beginning);
                Self::Short { bytes, length }
            }
            _ => Self::Long(uri.into()),
        }
    }

    fn host(&self) -> Option<Host> {
        let uri = match self {
            // A character may be cut at the end, behind the host.
            Self::Short { bytes, length } => {
                let bytes = bytes.get(..usize::from(*length))?;
                bytes.utf8_chunks().next()?.valid()
            }
            Self::Long(uri) => uri,
        };
        Host::of_uri(uri)
    }
}

/// Returns whether the host of a URI ends before the end of this beginning of it.
fn has_host(beginning: &[u8]) -> bool {
    let mut slashes = beginning.split(|byte| matches!(byte, b'/' | b'?' | b'#'));
    // `https:`, nothing, the host.
    slashes.nth(3).is_some()
}

impl std::fmt::Debug for Beginning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(&self.host(), f)
    }
}

/// `20240522T115159Z`
const AMZ_DATE: usize = 16;
/// `https://`, a bucket's longest name, and the longest suffix of S3's endpoints.
const USUAL_ORIGIN: usize = 126;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_found_whatever_the_length_of_a_uri() {
        let long_host = format!("{}.s3.amazonaws.com", "b".repeat(200));
        for host in ["sqs.eu-west-1.amazonaws.com", "localhost:9000", &long_host] {
            for path in [
                "",
                "/",
                "?a=b",
                "/é/é/é",
                &format!("/{}é/k", "k".repeat(97)),
                &"/é".repeat(900),
            ] {
                let uri = format!("https://{host}{path}");
                let found = Beginning::of(&uri).host();
                assert_eq!(found, Host::of_uri(&uri), "{uri}");
                assert!(found.is_some(), "{uri}");
            }
        }
        assert_eq!(Beginning::NONE.host(), None);
    }

    #[test]
    fn only_the_longest_hosts_take_an_allocation() {
        let path = "/k".repeat(500);
        let bucket = "b".repeat(63);
        let usual = format!("https://{bucket}.s3-fips.dualstack.us-gov-west-1.amazonaws.com{path}");
        assert!(matches!(Beginning::of(&usual), Beginning::Short { .. }));
        let unusual = format!("https://{bucket}.{bucket}.example{path}");
        assert!(matches!(Beginning::of(&unusual), Beginning::Long(_)));
    }
}
