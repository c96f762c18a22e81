//! [`SkewAuthScheme`]: the SDK's own signer, with the corrected time.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use aws_runtime::auth::sigv4::SigV4AuthScheme;
use aws_runtime::auth::{HttpSignatureType, SigV4OperationSigningConfig};
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::auth::{
    AuthScheme, AuthSchemeEndpointConfig, AuthSchemeId, SharedAuthScheme, Sign,
};
use aws_smithy_runtime_api::client::identity::{Identity, SharedIdentityResolver};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_runtime_api::client::runtime_components::{GetIdentityResolver, RuntimeComponents};
use aws_smithy_types::config_bag::ConfigBag;

use crate::clock::{SentAt, SkewClock};
use crate::event::Label;
use crate::host::Host;
use crate::offset::ClockOffset;
use crate::resign::{WRITTEN, X_AMZ_DATE};
use crate::sdk::minimal_components;
use crate::sdk::operation::{FirstUri, OperationState, Signed, first_header, service_of};
use crate::sdk::sdk_correction::SdkCorrection;
use crate::timestamp;

/// Auth scheme that replaces the SDK's SigV4 or SigV4a scheme, and signs with the corrected
/// time.
///
/// The SDK's signer makes the signatures. While there is a correction, it gets another time
/// source: a running clock that shows the corrected time, or the time that is kept for the
/// request's host only. Signed chunks and event-stream frames use it as well. Presigned
/// URLs keep the client's time source.
///
/// [`SkewClock::auth_scheme`] returns it, and [`install!`](crate::install) pushes it.
#[derive(Debug)]
pub struct SkewAuthScheme(SkewSigner);

#[derive(Debug)]
struct SkewSigner {
    clock: SkewClock,
    inner: SharedAuthScheme,
    /// The components for the SDK's signer while the clock is corrected, made at the first
    /// use. The signer uses only their time source.
    corrected: OnceLock<Option<RuntimeComponents>>,
    /// Whether a request had to be re-signed although the clock is not corrected: the client
    /// has another time source, and it is wrong.
    ignores_time_source: AtomicBool,
    /// Whether the first signed request was logged.
    is_noted: AtomicBool,
    first_uri: FirstUri,
}

impl SkewClock {
    /// Returns an auth scheme that replaces the SDK's SigV4 scheme, for `push_auth_scheme`
    /// of a service's config builder.
    ///
    /// [`install!`](crate::install) pushes it together with the other parts.
    ///
    /// ```no_run
    /// # fn wire(config: &aws_config::SdkConfig, clock: &aws_clock_skew::SkewClock) {
    /// let builder = aws_sdk_sqs::config::Builder::from(config)
    ///     .push_auth_scheme(clock.auth_scheme());
    /// # }
    /// ```
    pub fn auth_scheme(&self) -> SkewAuthScheme {
        SkewAuthScheme::new(self, SharedAuthScheme::new(SigV4AuthScheme::new()))
    }

    /// Returns an auth scheme that replaces the SDK's SigV4a scheme, for S3 multi-region
    /// access points and EventBridge global endpoints.
    ///
    /// [`install!`](crate::install) pushes it for services that use SigV4a.
    ///
    /// ```no_run
    /// # fn wire(config: &aws_config::SdkConfig, clock: &aws_clock_skew::SkewClock) {
    /// let builder = aws_sdk_s3::config::Builder::from(config)
    ///     .push_auth_scheme(clock.auth_scheme())
    ///     .push_auth_scheme(clock.sigv4a_auth_scheme());
    /// # }
    /// ```
    #[cfg(feature = "sigv4a")]
    pub fn sigv4a_auth_scheme(&self) -> SkewAuthScheme {
        use aws_runtime::auth::sigv4a::SigV4aAuthScheme;
        SkewAuthScheme::new(self, SharedAuthScheme::new(SigV4aAuthScheme::new()))
    }
}

impl SkewAuthScheme {
    fn new(clock: &SkewClock, inner: SharedAuthScheme) -> Self {
        Self(SkewSigner {
            clock: clock.clone(),
            inner,
            corrected: OnceLock::new(),
            ignores_time_source: AtomicBool::new(false),
            is_noted: AtomicBool::new(false),
            first_uri: FirstUri::default(),
        })
    }
}

impl AuthScheme for SkewAuthScheme {
    fn scheme_id(&self) -> AuthSchemeId {
        self.0.inner.scheme_id()
    }

    fn identity_resolver(
        &self,
        identity_resolvers: &dyn GetIdentityResolver,
    ) -> Option<SharedIdentityResolver> {
        self.0.inner.identity_resolver(identity_resolvers)
    }

    fn signer(&self) -> &dyn Sign {
        &self.0
    }
}

impl Sign for SkewSigner {
    fn sign_http_request(
        &self,
        request: &mut HttpRequest,
        identity: &Identity,
        endpoint: AuthSchemeEndpointConfig<'_>,
        components: &RuntimeComponents,
        cfg: &ConfigBag,
    ) -> Result<(), BoxError> {
        let clock = &self.clock;
        let state = cfg.load::<OperationState>();
        let host = || Host::of_uri(request.uri());
        let sent = SentAt::now(clock, host);
        let is_stream = request.body().bytes().is_none();
        let is_corrected = if clock.is_correcting() {
            state.is_some() || (is_first_attempt(cfg) && clock.is_confirmed_by_aws())
        } else {
            self.ignores_time_source(state)
        };
        let may_differ = is_corrected || (is_stream && !clock.is_observe_only());
        let is_never_shifted =
            state.is_some_and(|state| state.sdk_correction == SdkCorrection::NeverOn);
        let signer = self.inner.signer();
        let is_local = if may_differ && !is_presigned(cfg) {
            // If the body is a stream, a correction that starts during the upload applies
            // to the later chunks and frames.
            let is_named = is_stream || clock.has_host_times();
            let host = is_named.then(host).flatten();
            let sign = |request: &mut HttpRequest, components: &RuntimeComponents| {
                signer.sign_http_request(request, identity, endpoint.clone(), components, cfg)
            };
            self.sign_by(sent.signing.now, host, !is_never_shifted, request, sign)?;
            false
        } else {
            signer.sign_http_request(request, identity, endpoint, components, cfg)?;
            is_never_shifted && is_local_time(sent.reading.wall, components)
        };
        if let Some(state) = state {
            state.note_signed(|| {
                let uri = self.first_uri.shared(request.uri());
                Signed::of(request, uri, is_local, sent, clock)
            });
            clock.note_request(&self.is_noted, "install", || {
                service_of(cfg).and_then(Label::of_service)
            });
            if clock.has_other_signers() && state.has_classifier {
                request.add_extension(ResignedBySdk);
            }
        }
        Ok(())
    }
}

impl SkewSigner {
    fn ignores_time_source(&self, state: Option<&OperationState>) -> bool {
        if state.is_some_and(OperationState::has_resent) {
            self.ignores_time_source.store(true, Ordering::Relaxed);
        }
        self.ignores_time_source.load(Ordering::Relaxed)
    }

    #[cold]
    #[inline(never)]
    fn sign_by(
        &self,
        now: SystemTime,
        host: Option<Host>,
        may_be_shifted: bool,
        request: &mut HttpRequest,
        sign: impl Fn(&mut HttpRequest, &RuntimeComponents) -> Result<(), BoxError>,
    ) -> Result<(), BoxError> {
        let by = |ahead: ClockOffset| {
            let (clock, host) = (self.clock.clone(), host.clone());
            minimal_components(HostClock { clock, host, ahead }, None)
        };
        let corrected = || {
            let make = || minimal_components(self.clock.clone(), None).ok();
            self.corrected.get_or_init(make).as_ref()
        };
        match host.is_none().then(corrected).flatten() {
            Some(components) => sign(request, components)?,
            None => sign(request, &by(ClockOffset::ZERO)?)?,
        }
        if !may_be_shifted {
            return Ok(());
        }
        // The SDK's signer adds the SDK's own correction, which this client may have from
        // requests that our scheme does not sign (S3 Express). Sign again without that
        // shift.
        let signed_at = signed_at(request);
        let added = signed_at.map(|signed_at| ClockOffset::between(now, signed_at));
        match added.filter(|added| added.magnitude() >= LEAST_SDK_SHIFT) {
            None => Ok(()),
            Some(added) => {
                for header in WRITTEN {
                    request.headers_mut().remove(header);
                }
                sign(request, &by(ClockOffset::ZERO.since(added))?)
            }
        }
    }
}

/// Mark on a request that the SDK re-signs if necessary. Without it, our HTTP client does.
/// It is needed only if the clock [has other signers](SkewClock::has_other_signers).
#[derive(Clone, Copy, Debug)]
pub(super) struct ResignedBySdk;

/// The running clock for signatures of requests to one host.
#[derive(Debug)]
struct HostClock {
    clock: SkewClock,
    host: Option<Host>,
    ahead: ClockOffset,
}

impl TimeSource for HostClock {
    fn now(&self) -> SystemTime {
        let time = self.clock.signing_time(self.host.as_ref()).now;
        self.ahead.shift(time)
    }
}

/// Returns whether the client's time source, read after a signature, agrees with the local
/// clock, read before it. Then the signing time is known to a second, which costs less than
/// looking it up in the headers.
fn is_local_time(before: SystemTime, components: &RuntimeComponents) -> bool {
    let after = components.time_source().map(|source| source.now());
    let end = before.checked_add(Duration::from_secs(1));
    after
        .zip(end)
        .is_some_and(|(after, end)| before <= after && after < end)
}

fn signed_at(request: &HttpRequest) -> Option<SystemTime> {
    let date = first_header(request.headers(), &X_AMZ_DATE)?;
    timestamp::sigv4(std::str::from_utf8(date).ok()?)
}

/// Nothing of ours observes the response if our interceptor is not in the client, as in that
/// which the SDK makes for the sessions of S3 Express. A wrong correction would never end
/// there, so the SDK signs by itself unless AWS confirmed the correction, and it signs each
/// retry, with its own correction.
fn is_first_attempt(cfg: &ConfigBag) -> bool {
    let attempts = cfg.load::<RequestAttempts>();
    attempts.is_none_or(|attempts| attempts.attempts() <= 1)
}

fn is_presigned(cfg: &ConfigBag) -> bool {
    cfg.load::<SigV4OperationSigningConfig>()
        .is_some_and(|config| {
            config.signing_options.signature_type == HttpSignatureType::HttpRequestQueryParams
        })
}

/// A smaller shift comes from cutting the signature's time to seconds: the SDK's own
/// correction ignores offsets below this.
const LEAST_SDK_SHIFT: Duration = Duration::from_secs(10);
