//! [`OperationState`]: what the integration remembers of one call of a client.

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use aws_smithy_runtime::client::retries::TokenBucket;
use aws_smithy_runtime_api::client::interceptors::context::FinalizerInterceptorContextMut;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, Metadata};
use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use aws_smithy_types::retry::RetryConfig;
use aws_types::SigningName;
use http::header::{DATE, HeaderName};

use crate::clock::{SentAt, SkewClock};
use crate::evidence::ResponseView;
use crate::host::Host;
use crate::judge::RoundTrip;
use crate::local_clock::Reading;
use crate::sdk::retry_classifier::Resign;
use crate::sdk::sdk_correction::SdkCorrection;
use crate::timestamp;

/// One value in the config bag, so that an accepted call costs one allocation.
#[derive(Debug)]
pub(super) struct OperationState {
    /// The client has our classifier, so it can be asked for one attempt more.
    pub(super) has_classifier: bool,
    /// What a signer of ours has signed in this attempt.
    signed: Mutex<Option<Signed>>,
    pub(super) sdk_correction: SdkCorrection,
    /// On the heap, as few operations have one.
    resend: Option<Box<Resend>>,
}

impl Storable for OperationState {
    type Storer = StoreReplace<Self>;
}

/// The one resend of an operation.
#[derive(Debug)]
struct Resend {
    clock: SkewClock,
    host: Option<Host>,
    /// The attempt after which it was asked for.
    after: Option<u32>,
    /// The user's token bucket, while an unlimited one is in its place.
    users: Option<TokenBucket>,
}

impl OperationState {
    pub(super) fn new(has_classifier: bool) -> Self {
        Self {
            has_classifier,
            signed: Mutex::default(),
            sdk_correction: SdkCorrection::On,
            resend: None,
        }
    }

    #[inline]
    pub(super) fn note_signed(&self, signed: Signed) {
        let mut place = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        *place = Some(signed);
    }

    pub(super) fn signed(&mut self) -> Option<&Signed> {
        self.signed_mut().as_ref()
    }

    pub(super) fn is_signed_by(&mut self, clock: &SkewClock) -> bool {
        self.signed().is_some_and(|signed| signed.is_by(clock))
    }

    /// Forgets the signed request, since its response is of no further use.
    pub(super) fn forget_signed(&mut self) {
        *self.signed_mut() = None;
    }

    pub(super) fn take_signed(&mut self) -> Option<Signed> {
        self.signed_mut().take()
    }

    fn signed_mut(&mut self) -> &mut Option<Signed> {
        self.signed
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the request is signed and sent again after this attempt.
    fn begin_resend(&mut self, signed: &Signed, after: Option<u32>, users: Option<TokenBucket>) {
        self.resend = Some(Box::new(Resend {
            clock: signed.clock.clone(),
            host: signed.host(),
            after,
            users,
        }));
    }

    pub(super) const fn has_resent(&self) -> bool {
        self.resend.is_some()
    }

    /// Returns whether this attempt is the resend.
    pub(super) fn is_resend(&self, attempt: Option<u32>) -> bool {
        let resend = self.resend.as_ref();
        resend.is_some_and(|resend| resend.after.map(|after| after + 1) == attempt)
    }

    /// Returns the user's token bucket, if it has to be put back after this attempt.
    pub(super) fn take_users_bucket(&mut self, attempt: Option<u32>) -> Option<TokenBucket> {
        let resend = self.resend.as_mut()?;
        if resend.after == attempt {
            return None;
        }
        resend.users.take()
    }

    /// Returns the time that a resend is signed with, if there is one.
    pub(super) fn resend_time(&self) -> Option<SystemTime> {
        let resend = self.resend.as_ref()?;
        Some(resend.clock.signing_time(resend.host.as_ref()).now)
    }
}

/// Asks for one more attempt, outside the client's retry limits, which are meant for a
/// service in trouble.
///
/// If the operation is already in an ordinary retry, the SDK does not return the tokens of
/// that retry, as after any second retry.
pub(super) fn ask_for_one_more(
    signed: &Signed,
    attempt: Option<u32>,
    context: &mut FinalizerInterceptorContextMut<'_>,
    cfg: &mut ConfigBag,
) {
    let Some(response) = context.response_mut() else {
        return;
    };
    response.add_extension(Resign);
    let users = cfg.load::<TokenBucket>().cloned();
    // `RequestAttempts` counts ours among the user's for the whole operation, so the
    // attempt is given for good.
    let retries = cfg.load::<RetryConfig>().map(|config| {
        let attempts = config.max_attempts().saturating_add(1);
        config.clone().with_max_attempts(attempts)
    });
    let bag = cfg.interceptor_state();
    if let Some(retries) = retries {
        bag.store_put(retries);
    }
    if users.is_some() {
        bag.store_put(TokenBucket::unlimited());
    }
    if let Some(state) = cfg.get_mut_from_interceptor_state::<OperationState>() {
        state.begin_resend(signed, attempt, users);
    }
}

/// A request that our signer has signed.
#[derive(Debug)]
pub(super) struct Signed {
    clock: SkewClock,
    pub(super) sent: SentAt,
    amz_date: [u8; AMZ_DATE],
    uri: Box<str>,
    pub(super) is_replayable: bool,
}

impl Signed {
    /// Copies of a signed request what may be needed when it is gone; it is read only
    /// where it matters.
    #[inline]
    pub(super) fn of(request: &HttpRequest, sent: SentAt, clock: &SkewClock) -> Self {
        let date = first_header(request.headers(), &X_AMZ_DATE);
        let date = date.and_then(|date| date.try_into().ok());
        let body = request.body();
        Self {
            clock: clock.clone(),
            sent,
            amz_date: date.unwrap_or_default(),
            uri: request.uri().into(),
            // A body in memory can always be sent again; only others are asked.
            is_replayable: body.bytes().is_some() || body.try_clone().is_some(),
        }
    }

    pub(super) fn is_by(&self, clock: &SkewClock) -> bool {
        self.clock.is(clock)
    }

    pub(super) fn host(&self) -> Option<Host> {
        Host::of_uri(&self.uri)
    }

    pub(super) fn round_trip(&self, received: Reading) -> RoundTrip {
        let signed_at = str::from_utf8(&self.amz_date).ok();
        self.sent
            .round_trip(signed_at.and_then(timestamp::sigv4), received)
    }
}

/// Returns what the response says, as far as it concerns the clock. `text` is the
/// body of a response that is no success.
pub(super) fn view<'a>(response: &'a HttpResponse, text: &'a [u8]) -> ResponseView<'a> {
    view_of(response, text, false)
}

/// Like [`view`], but ignores the `Age: 0` that our HTTP client adds to a response it marks.
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

/// Returns the name of the service in signatures, which is the one that the other
/// integrations know.
pub(super) fn service_of(cfg: &ConfigBag) -> Option<&str> {
    let name = cfg.load::<SigningName>().map(AsRef::as_ref);
    name.or_else(|| cfg.load::<Metadata>().map(Metadata::service))
}

/// Returns the first `Date`, and nothing else that the response says.
pub(super) fn date_of(response: &HttpResponse) -> Option<SystemTime> {
    let date = first_header(response.headers(), &DATE)?;
    timestamp::http_date(str::from_utf8(date).ok()?)
}

/// Returns the first header of a name. A [`HeaderName`] costs no parsing of the name, as a
/// string would.
pub(super) fn first_header<'a>(headers: &'a Headers, name: &HeaderName) -> Option<&'a [u8]> {
    headers.get_all_bytes_by_name(name).next()
}

pub(super) static X_AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
/// `20240522T115159Z`
const AMZ_DATE: usize = 16;
