//! [`Operation`]: what the interceptor remembers of one call of a client.

use std::time::{Duration, SystemTime};

use aws_smithy_runtime::client::retries::TokenBucket;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::config_bag::{Storable, StoreReplace};

use crate::clock::SkewClock;
use crate::evidence::ResponseView;
use crate::evidence::stamp;
use crate::host::Host;
use crate::judge::Attempt;
use crate::local_clock::Reading;
use crate::resend::REQUEST_IDS;
use crate::resign::is_signature;
use crate::ruling::Exchange;
use crate::sdk::limiter::Lease;

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
    pub(super) signing_boot: Duration,
    pub(super) moves_at_signing: u64,
    pub(super) sent: Option<Reading>,
    pub(super) received: Option<Reading>,
    pub(super) is_replayable: bool,
    /// The user's token bucket, while ours is in its place.
    pub(super) lent: Option<TokenBucket>,
    pub(super) lease: Lease,
    amz_date: [u8; AMZ_DATE],
    authority: Authority,
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
            signing_boot: Duration::ZERO,
            moves_at_signing: 0,
            sent: None,
            received: None,
            is_replayable: true,
            lent: None,
            lease: Lease::default(),
            amz_date: [0; AMZ_DATE],
            authority: Authority::new(),
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

    /// Forgets the attempt before.
    pub(super) fn begin_attempt(&mut self, boot: Duration, moves: u64) {
        self.signing_boot = boot;
        self.moves_at_signing = if self.native == Native::Acting {
            Exchange::SIGNED_BY_ANOTHER
        } else {
            moves
        };
        self.sent = None;
        self.received = None;
    }

    /// Copies of a signed request what may be needed when it is gone.
    pub(super) fn remember(&mut self, request: &HttpRequest, sent: Reading) {
        let authorization = request.headers().get("authorization");
        if !authorization.is_some_and(|value| is_signature(value.as_bytes())) {
            return;
        }
        self.sent = Some(sent);
        self.amz_date = request
            .headers()
            .get("x-amz-date")
            .and_then(|date| date.as_bytes().try_into().ok())
            .unwrap_or([0; AMZ_DATE]);
        self.authority.set(request.uri());
        let body = request.body();
        // A body in memory can always be sent again; only others are asked.
        self.is_replayable = body.bytes().is_some() || body.try_clone().is_some();
    }

    /// Returns the attempt that was answered, or `None` if it was not sent, or not
    /// signed.
    pub(super) fn attempt(&self) -> Option<Attempt> {
        let sent = self.sent?;
        Some(Attempt {
            signed_at: self.signed_at(),
            signing_boot: self.signing_boot,
            sent,
            received: self.received?,
        })
    }

    pub(super) fn host(&self) -> Option<Host> {
        self.authority.host()
    }

    fn signed_at(&self) -> Option<SystemTime> {
        stamp::basic(&self.amz_date)
    }
}

/// Returns what the answer says, as far as it concerns the clock. `text` is the
/// body of an answer that is no success.
pub(super) fn view<'a>(response: &'a HttpResponse, text: &'a [u8]) -> ResponseView<'a> {
    let view = view_without_age(response, text);
    match response.headers().get("age") {
        Some(age) => view.with_age(age),
        None => view,
    }
}

/// The same, with the `Date` of a response to which we have given an age.
pub(super) fn view_without_age<'a>(response: &'a HttpResponse, text: &'a [u8]) -> ResponseView<'a> {
    let headers = response.headers();
    let mut view = ResponseView::new(response.status().as_u16(), text);
    for date in headers.get_all("date") {
        view = view.with_date(date);
    }
    if let Some(code) = headers.get("x-amzn-errortype") {
        view = view.with_error_code(code);
    }
    let request_id = REQUEST_IDS.iter().find_map(|name| headers.get(name));
    if let Some(request_id) = request_id {
        view = view.with_request_id(request_id);
    }
    view
}

/// `https://host:port` of a URI, without an allocation: a name in the DNS has 253
/// characters at most.
struct Authority {
    bytes: [u8; LONGEST_AUTHORITY],
    length: u16,
    is_tls: bool,
}

impl Authority {
    const fn new() -> Self {
        Self {
            bytes: [0; LONGEST_AUTHORITY],
            length: 0,
            is_tls: false,
        }
    }

    fn set(&mut self, uri: &str) {
        self.length = 0;
        let Some((scheme, rest)) = uri.split_once("://") else {
            return;
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let Some(authority) = rest.as_bytes().get(..end) else {
            return;
        };
        // What does not fit is no host that anything can be learned from.
        let Some(room) = self.bytes.get_mut(..authority.len()) else {
            return;
        };
        room.copy_from_slice(authority);
        self.length = u16::try_from(authority.len()).unwrap_or(0);
        self.is_tls = scheme.eq_ignore_ascii_case("https");
    }

    fn host(&self) -> Option<Host> {
        let authority = self.bytes.get(..usize::from(self.length))?;
        Host::new(std::str::from_utf8(authority).ok()?, self.is_tls)
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(&self.host(), f)
    }
}

/// `20240522T115159Z`
const AMZ_DATE: usize = 16;
/// A DNS name, a colon and a port.
const LONGEST_AUTHORITY: usize = 260;
