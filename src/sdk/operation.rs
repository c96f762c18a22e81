//! [`OperationState`]: what the integration remembers of one call of a client.

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use aws_smithy_runtime::client::retries::TokenBucket;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::config_bag::{Storable, StoreReplace};

use crate::clock::{SentAt, SkewClock};
use crate::evidence::ResponseView;
use crate::evidence::stamp;
use crate::host::Host;
use crate::judge::RoundTrip;
use crate::local_clock::Reading;
use crate::resend::REQUEST_IDS;

/// One value in the config bag, so that an accepted call costs one allocation.
#[derive(Debug)]
pub(super) struct OperationState {
    pub(super) clock: SkewClock,
    pub(super) stage: Stage,
    /// The last attempt whose end was observed.
    observed: Option<u32>,
    /// The user's token bucket, while an unlimited one is in its place.
    pub(super) lent: Option<Box<TokenBucket>>,
    /// The SDK's own correction is off for this operation.
    pub(super) is_native_off: bool,
    /// The host of an attempt that is made again.
    resend_to: Option<Host>,
    /// What our signer has signed in this attempt.
    signed: Mutex<Option<Signed>>,
}

impl Storable for OperationState {
    type Storer = StoreReplace<Self>;
}

/// How far the one resend of an operation has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    Fresh,
    /// The next response is that to a resend.
    Resent,
    Done,
}

impl OperationState {
    pub(super) fn new(clock: &SkewClock) -> Self {
        Self {
            clock: clock.clone(),
            stage: Stage::Fresh,
            observed: None,
            lent: None,
            is_native_off: false,
            resend_to: None,
            signed: Mutex::new(None),
        }
    }

    pub(super) fn belongs_to(&self, clock: &SkewClock) -> bool {
        self.clock.is(clock)
    }

    /// Forgets what was signed: an attempt may fail before it is signed.
    pub(super) fn forget_signed(&mut self) {
        *self.signed_mut() = None;
    }

    /// Returns whether the end of this attempt is news: a client may have two
    /// interceptors of one clock.
    pub(super) fn is_first_to_observe(&mut self, attempt: Option<u32>) -> bool {
        let is_news = self.observed != attempt;
        self.observed = attempt;
        is_news
    }

    pub(super) fn note_signed(&self, signed: Signed) {
        let mut place = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        *place = Some(signed);
    }

    pub(super) fn is_signed(&mut self) -> bool {
        self.signed_mut().is_some()
    }

    pub(super) fn take_signed(&mut self) -> Option<Signed> {
        self.signed_mut().take()
    }

    fn signed_mut(&mut self) -> &mut Option<Signed> {
        self.signed
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin_resend(&mut self, host: Option<Host>) {
        self.stage = Stage::Resent;
        self.resend_to = host;
    }

    /// Returns the time that a resend will be signed with, if one is next.
    pub(super) fn resend_time(&self) -> Option<SystemTime> {
        let is_next = self.stage == Stage::Resent;
        is_next.then(|| self.clock.signing_time(self.resend_to.as_ref()).now)
    }
}

/// A request that our signer has signed.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) sent: SentAt,
    amz_date: [u8; AMZ_DATE],
    uri: Box<str>,
    pub(super) is_replayable: bool,
}

impl Signed {
    /// Copies of a signed request what may be needed when it is gone; it is read only
    /// where it matters.
    pub(super) fn of(request: &HttpRequest, sent: SentAt) -> Self {
        // To go through all headers is cheaper than to hash the name.
        let mut headers = request.headers().iter_bytes();
        let date = headers.find(|(name, _)| *name == "x-amz-date");
        let date = date.and_then(|(_, date)| date.try_into().ok());
        let body = request.body();
        Self {
            sent,
            amz_date: date.unwrap_or_default(),
            uri: request.uri().into(),
            // A body in memory can always be sent again; only others are asked.
            is_replayable: body.bytes().is_some() || body.try_clone().is_some(),
        }
    }

    pub(super) fn host(&self) -> Option<Host> {
        Host::of_uri(&self.uri)
    }

    pub(super) fn round_trip(&self, received: Reading) -> RoundTrip {
        let signed_at = stamp::basic(&self.amz_date);
        self.sent.round_trip(signed_at, received)
    }
}

/// Returns what the response says, as far as it concerns the clock. `text` is the
/// body of a response that is no success.
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
    for (_, date) in headers.iter_bytes().filter(|(name, _)| *name == "date") {
        // A value that cannot be read is still a second header.
        view = view.with_date(std::str::from_utf8(date).unwrap_or_default());
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

/// Returns the first `Date`, and nothing else that the response says.
pub(super) fn date_of(response: &HttpResponse) -> Option<SystemTime> {
    let mut headers = response.headers().iter_bytes();
    let (_, date) = headers.find(|(name, _)| *name == "date")?;
    stamp::http_date(std::str::from_utf8(date).ok()?)
}

/// `20240522T115159Z`
const AMZ_DATE: usize = 16;
