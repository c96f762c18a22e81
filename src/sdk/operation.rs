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

impl Operation {
    pub(super) fn new(clock: &SkewClock) -> Self {
        Self {
            stage: Stage::Fresh,
            clock: clock.address(),
            heard: None,
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
        self.moves_at_signing = moves;
        self.sent = None;
        self.received = None;
    }

    /// Copies of a signed request what may be needed when it is gone.
    pub(super) fn remember(&mut self, request: &HttpRequest, sent: Reading) {
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

    /// Returns the attempt that was answered, or `None` if it was not sent.
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

/// Returns what the answer says, as far as it concerns the clock; no body of a
/// success.
pub(super) fn view(response: &HttpResponse) -> ResponseView<'_> {
    let status = response.status();
    let body = if status.is_success() {
        None
    } else {
        response.body().bytes()
    };
    let headers = response.headers();
    let mut view = ResponseView::new(status.as_u16(), body.unwrap_or_default());
    for date in headers.get_all("date") {
        view = view.with_date(date);
    }
    if let Some(age) = headers.get("age") {
        view = view.with_age(age);
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
/// JSON and query services; S3 and the like.
const REQUEST_IDS: [&str; 2] = ["x-amzn-requestid", "x-amz-request-id"];
