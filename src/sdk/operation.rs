//! [`OperationState`]: the state that the integration keeps during one operation.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
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
use crate::offset::whole_seconds;
use crate::resign::X_AMZ_DATE;
use crate::sdk::retry_classifier::ResendMark;
use crate::sdk::sdk_correction::SdkCorrection;
use crate::timestamp;

/// The state of one operation. It is one value in the config bag, so that an accepted call
/// costs one allocation.
#[derive(Debug)]
pub(super) struct OperationState {
    /// Whether the client has our retry classifier, which an extra attempt needs.
    pub(super) has_classifier: bool,
    /// The request that our signer has signed in this attempt.
    signed: Mutex<Option<Signed>>,
    pub(super) sdk_correction: SdkCorrection,
    /// Few operations have a resend, so it is on the heap.
    resend: Option<Box<Resend>>,
}

impl Storable for OperationState {
    type Storer = StoreReplace<Self>;
}

/// The one resend of an operation.
#[derive(Debug)]
struct Resend {
    host: Option<Host>,
    /// The number of its attempt.
    attempt: u32,
    /// The client's token bucket, while an unlimited one replaces it.
    client_bucket: Option<TokenBucket>,
}

impl OperationState {
    pub(super) fn new(has_classifier: bool, sdk_correction: SdkCorrection) -> Self {
        Self {
            has_classifier,
            signed: Mutex::default(),
            sdk_correction,
            resend: None,
        }
    }

    #[inline]
    pub(super) fn note_signed(&self, signed: impl FnOnce() -> Signed) {
        let mut place = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        *place = Some(signed());
    }

    pub(super) fn signed(&mut self) -> Option<&Signed> {
        self.signed_mut().as_ref()
    }

    pub(super) fn take_signed_by(&mut self, clock: &SkewClock) -> Option<Signed> {
        self.signed_mut().take_if(|signed| signed.is_by(clock))
    }

    fn signed_mut(&mut self) -> &mut Option<Signed> {
        self.signed
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) const fn has_resent(&self) -> bool {
        self.resend.is_some()
    }

    /// Returns whether this attempt is the resend.
    pub(super) fn is_resend(&self, attempt: u32) -> bool {
        let resend = self.resend.as_ref();
        resend.is_some_and(|resend| resend.attempt == attempt)
    }

    /// Returns the client's token bucket if it has to be restored after this attempt.
    pub(super) fn take_client_bucket(&mut self, attempt: u32) -> Option<TokenBucket> {
        let resend = self.resend.as_mut()?;
        resend.client_bucket.take_if(|_| resend.attempt <= attempt)
    }

    /// Returns the time to sign the resend with, if there is one.
    pub(super) fn resend_time(&self, clock: &SkewClock) -> Option<SystemTime> {
        let resend = self.resend.as_ref()?;
        Some(clock.signing_time(resend.host.as_ref()).now)
    }
}

/// Requests one more attempt. The client's retry limits do not apply to it: they protect a
/// service in trouble.
///
/// If the operation is already in an ordinary retry, the tokens of that retry are not
/// returned, as after any second retry of the SDK.
pub(super) fn request_resend(
    signed: &Signed,
    attempt: u32,
    context: &mut FinalizerInterceptorContextMut<'_>,
    cfg: &mut ConfigBag,
) {
    let Some(response) = context.response_mut() else {
        return;
    };
    response.add_extension(ResendMark);
    let client_bucket = cfg.load::<TokenBucket>().cloned();
    // `RequestAttempts` counts the resend like any attempt, so the maximum is raised by one
    // for the rest of the operation.
    let retries = cfg.load::<RetryConfig>().map(|config| {
        let attempts = config.max_attempts().saturating_add(1);
        config.clone().with_max_attempts(attempts)
    });
    let bag = cfg.interceptor_state();
    if let Some(retries) = retries {
        bag.store_put(retries);
    }
    if client_bucket.is_some() {
        bag.store_put(TokenBucket::unlimited());
    }
    if let Some(state) = cfg.get_mut_from_interceptor_state::<OperationState>() {
        state.resend = Some(Box::new(Resend {
            host: signed.host(),
            attempt: attempt.saturating_add(1),
            client_bucket,
        }));
    }
}

/// A request that our signer has signed.
#[derive(Debug)]
pub(super) struct Signed {
    /// The [`id`](SkewClock::id) of the signer's clock.
    clock: usize,
    pub(super) sent: SentAt,
    /// The signing time. `None` if it is the second of the local clock in `sent`.
    amz_date: Option<[u8; AMZ_DATE]>,
    uri: Arc<str>,
    pub(super) is_replayable: bool,
}

impl Signed {
    /// Copies the parts of a signed request that may be needed after it was sent. They are
    /// parsed only when they are needed. `is_local` tells that the signing time is that of
    /// the local clock, so that it need not be looked up.
    #[inline]
    pub(super) fn of(
        request: &HttpRequest,
        uri: Arc<str>,
        is_local: bool,
        sent: SentAt,
        clock: &SkewClock,
    ) -> Self {
        let date = || {
            first_header(request.headers(), &X_AMZ_DATE)?
                .try_into()
                .ok()
        };
        let body = request.body();
        Self {
            clock: clock.id(),
            sent,
            amz_date: (!is_local).then(|| date().unwrap_or_default()),
            uri,
            // A body in memory can always be sent again. For others `try_clone` tells.
            is_replayable: body.bytes().is_some() || body.try_clone().is_some(),
        }
    }

    pub(super) fn is_by(&self, clock: &SkewClock) -> bool {
        self.clock == clock.id()
    }

    pub(super) fn host(&self) -> Option<Host> {
        Host::of_uri(&self.uri)
    }

    pub(super) fn round_trip(&self, received: Reading) -> RoundTrip {
        let signed_at = match &self.amz_date {
            Some(date) => str::from_utf8(date).ok().and_then(timestamp::sigv4),
            None => Some(whole_seconds(self.sent.reading.wall)),
        };
        self.sent.round_trip(signed_at, received)
    }
}

/// The URI of a client's first request. Many clients send all requests to one URI, and
/// sharing it saves each of them an allocation.
#[derive(Debug, Default)]
pub(super) struct FirstUri(OnceLock<Arc<str>>);

impl FirstUri {
    #[inline]
    pub(super) fn shared(&self, uri: &str) -> Arc<str> {
        let first = self.0.get_or_init(|| uri.into());
        if **first == *uri {
            first.clone()
        } else {
            uri.into()
        }
    }
}

/// Returns the parts of a response that can be evidence. `text` is the body of an error
/// response.
pub(super) fn view<'a>(response: &'a HttpResponse, text: &'a [u8]) -> ResponseView<'a> {
    view_of(response, text, false)
}

/// Does the same as [`view`], and ignores the `Age: 0` that our HTTP client adds to a
/// response that it marks.
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

/// Returns the name of the service in signatures. The other integrations know only this
/// name, so events of all integrations agree.
pub(super) fn service_of(cfg: &ConfigBag) -> Option<&str> {
    let name = cfg.load::<SigningName>().map(AsRef::as_ref);
    name.or_else(|| cfg.load::<Metadata>().map(Metadata::service))
}

/// Returns the first `Date` header.
pub(super) fn date_of(response: &HttpResponse) -> Option<SystemTime> {
    let date = first_header(response.headers(), &DATE)?;
    timestamp::http_date(str::from_utf8(date).ok()?)
}

/// Returns the first header of a name. A [`HeaderName`] costs no parsing of the name, as a
/// string would.
pub(super) fn first_header<'a>(headers: &'a Headers, name: &HeaderName) -> Option<&'a [u8]> {
    headers.get_all_bytes_by_name(name).next()
}

/// The length of `20240522T115159Z`.
const AMZ_DATE: usize = 16;
