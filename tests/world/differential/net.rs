//! The hosts of a scenario behind one HTTP client. Time passes as Tokio's does.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::{Duration, UNIX_EPOCH};

use aws_clock_skew::LocalClock;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::Service;

use super::scenario::{Call, End, Host, Method, ROUND_TRIP};
use crate::clocks::{Event, HOUR, World, millis_between, shifted};
use crate::fate::{DateFault, Fate, Reply};
use crate::site::{SECRET, Site, Verdict, amz_date};
use crate::skew_error::{basic, extended, http_date, stamp};
use crate::wire::{Lost, whole};

#[derive(Clone)]
pub(super) struct Net(Arc<Inner>);

struct Inner {
    world: World,
    state: Mutex<State>,
}

struct State {
    /// The servers of each host, and how it is called.
    sites: HashMap<&'static str, (Host, Vec<Arc<Site>>)>,
    call: Option<Call>,
    /// What the requests of each operation have still to meet.
    fates: HashMap<String, VecDeque<Fate>>,
    sent: Vec<Sent>,
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) operation: String,
    pub(super) host: Host,
    /// It asks S3 Express for a session.
    pub(super) is_for_session: bool,
    /// A session of S3 Express signs it, and so the SDK alone.
    pub(super) has_session: bool,
    /// Its body cannot be replayed.
    pub(super) is_stream: bool,
    /// It went to a server that is not like the others of its host.
    pub(super) is_odd: bool,
    /// How far the clocks of its host's servers are apart, in milliseconds.
    pub(super) apart: i64,
    pub(super) tolerance: Duration,
    pub(super) fate: Fate,
    pub(super) end: End,
    pub(super) verdict: Verdict,
    /// How far the time of its signature was ahead of its host's when it was sent, in
    /// milliseconds.
    pub(super) error: i64,
    /// The same of the local clock.
    pub(super) local_error: i64,
    /// How far the local clock was ahead of the host's when the response came.
    pub(super) local_error_after: i64,
    /// The machine was suspended, or its clock was set, between sending and the response.
    pub(super) is_disturbed: bool,
    /// How long it and its response were on their way.
    pub(super) took: Duration,
    /// Its credentials had ended.
    pub(super) has_expired: bool,
    /// Its server's time is not the true time.
    pub(super) host_is_wrong: bool,
    /// The response came.
    pub(super) is_delivered: bool,
    /// A clock skew error of its host states no time, except by its `Date`.
    pub(super) has_date_only: bool,
    /// Its host's `Date`.
    pub(super) date: DateFault,
}

impl Net {
    pub(super) fn new(world: &World) -> Self {
        let site = |host: Host| (host, vec![Arc::new(host.site())]);
        let sites = Host::ALL.map(|host| (host_of(host.url()), site(host)));
        Self(Arc::new(Inner {
            world: world.clone(),
            state: Mutex::new(State {
                sites: sites.into(),
                call: None,
                fates: HashMap::new(),
                sent: Vec::new(),
            }),
        }))
    }

    /// From now on these servers answer for this host, in turn.
    pub(super) fn set(&self, host: Host, servers: &[Site]) {
        let servers = servers.iter().cloned().map(Arc::new).collect();
        let servers = (host, servers);
        self.state().sites.insert(host_of(host.url()), servers);
    }

    /// The next requests are of this call.
    pub(super) fn expect(&self, call: &Call) {
        let mut state = self.state();
        state.call = Some(call.clone());
        state.fates.clear();
    }

    /// Returns the requests that were sent since this was asked last.
    pub(super) fn take_sent(&self) -> Vec<Sent> {
        std::mem::take(&mut self.state().sent)
    }

    async fn carry(&self, request: &Request<Bytes>) -> Result<Response<Full<Bytes>>, Lost> {
        let world = &self.0.world;
        let operation = request.headers().get("amz-sdk-invocation-id");
        let operation = operation.and_then(|id| id.to_str().ok()).unwrap_or("");
        let host = request.uri().host().unwrap_or_default();
        if amz_date(request).is_empty() {
            // A layer without credentials does not sign.
            let site = self.state().sites[host].1[0].clone();
            return Ok(site
                .answer(request, Reply::Denied, world.true_time(), true)
                .0);
        }
        let (site, index) = self.depart(operation, host, request);
        let (fate, end) = {
            let sent = &self.state().sent[index];
            (sent.fate.clone(), sent.end)
        };
        let departed = world.true_time();
        for event in &fate.there {
            self.happens(*event).await;
        }
        let (mut response, verdict) = site.answer(request, fate.reply, world.true_time(), true);
        let verdict = if end == End::Cached {
            Verdict::Unseen
        } else {
            verdict
        };
        {
            let sent = &mut self.state().sent[index];
            sent.verdict = verdict;
            sent.has_expired = has_expired(request, world);
        }
        if end == End::Cached {
            response = cached(request, world);
        } else if verdict == Verdict::Accepted && has_expired(request, world) {
            response = site
                .answer(request, Reply::Denied, world.true_time(), true)
                .0;
        } else if verdict == Verdict::Accepted {
            tokio::time::sleep(fate.work).await;
            // Whatever it says of the time, it says when it is done.
            response = self.end(end, &site, request, fate.reply);
            if is_for_session(request) && response.status() == http::StatusCode::OK {
                *response.body_mut() = session(world, index);
            }
        }
        for event in &fate.back {
            self.happens(*event).await;
        }
        let mut state = self.state();
        let now = shifted(world.true_time(), site.ahead);
        let sent = &mut state.sent[index];
        let took = world.true_time().duration_since(departed);
        sent.took = took.expect("time does not go back");
        sent.local_error_after = millis_between(now, world.wall());
        sent.is_disturbed = fate.disturbs_the_machine();
        if fate.is_lost {
            return Err(Lost);
        }
        sent.is_delivered = true;
        drop(state);
        if verdict == Verdict::Rejected {
            self.put_back(operation, fate);
        }
        if request.method() == "HEAD" {
            *response.body_mut() = Full::default();
            // Only S3 has such requests, and rejects them with this status.
            if verdict == Verdict::Rejected {
                *response.status_mut() = http::StatusCode::FORBIDDEN;
            }
        }
        Ok(response)
    }

    /// Returns who answers, and which of the requests this is.
    fn depart(&self, operation: &str, host: &str, request: &Request<Bytes>) -> (Arc<Site>, usize) {
        let world = &self.0.world;
        let mut state = self.state();
        let call = state.call.clone().expect("a call is made");
        let earlier = state.sent.iter().filter(|sent| sent.operation == operation);
        let turn = call.server + earlier.count();
        let (host, servers) = &state.sites[host];
        let (host, server) = (*host, turn % servers.len());
        let is_odd = servers.len() > 1 && server + 1 == servers.len();
        let site = servers[server].clone();
        let odd = servers.last().expect("one answers");
        let apart = (odd.ahead - servers[0].ahead).abs();
        let now = shifted(world.true_time(), site.ahead);
        let local_error = millis_between(now, world.wall());
        let signed = stamp(amz_date(request)).expect("is signed");
        let error = millis_between(now, signed);
        let says = if error < 0 { &site.old } else { &site.young };
        let fates = state.fates.entry(operation.to_owned());
        let fates = fates.or_insert_with(|| call.fates.into());
        let fate = fates.pop_front().unwrap_or_else(|| Fate::of(ROUND_TRIP));
        let index = state.sent.len();
        let is_for_session = is_for_session(request);
        let sent = Sent {
            operation: operation.to_owned(),
            host,
            is_for_session,
            has_session: request.headers().contains_key("x-amz-s3session-token"),
            is_stream: call.method == Method::Stream
                && !is_for_session
                && request.method() != "GET",
            is_odd,
            apart,
            tolerance: site.tolerance,
            fate,
            end: call.end,
            verdict: Verdict::Unseen,
            error,
            local_error,
            local_error_after: 0,
            is_disturbed: false,
            took: Duration::ZERO,
            has_expired: false,
            host_is_wrong: is_beyond(site.ahead, Duration::from_secs(120)),
            is_delivered: false,
            has_date_only: request.method() == "HEAD" || !says.has_time,
            date: site.date,
        };
        state.sent.push(sent);
        (site, index)
    }

    /// A request that is signed again meets what the first met, and no event twice.
    fn put_back(&self, operation: &str, mut fate: Fate) {
        let passes = |event: &Event| matches!(event, Event::Passes(_));
        fate.there.retain(passes);
        fate.back.retain(passes);
        let mut state = self.state();
        let fates = state.fates.get_mut(operation).expect("it has departed");
        fates.push_front(fate);
    }

    fn end(
        &self,
        end: End,
        site: &Site,
        request: &Request<Bytes>,
        reply: Reply,
    ) -> Response<Full<Bytes>> {
        let now = self.0.world.true_time();
        let (status, body) = match end {
            End::Served | End::WrongKey | End::Cached => return site.accepted(reply, now),
            End::Denied => return site.answer(request, Reply::Denied, now, true).0,
            End::NotFound => return site.answer(request, Reply::NotFound, now, true).0,
            End::Quotes => (400, QUOTES),
        };
        let mut response = Response::new(Full::from(body));
        *response.status_mut() = status.try_into().expect("a status");
        let date = http_date(shifted(now, site.ahead)).parse();
        response
            .headers_mut()
            .insert("date", date.expect("a header"));
        response
    }

    async fn happens(&self, event: Event) {
        match event {
            Event::Passes(time) => tokio::time::sleep(time).await,
            event => self.0.world.undergoes(event),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0
            .state
            .lock()
            .expect("no thread panicked while it held the lock")
    }
}

/// The clock skew error of another client, from an hour ago.
fn cached(request: &Request<Bytes>, world: &World) -> Response<Full<Bytes>> {
    let then = shifted(world.true_time(), -HOUR);
    let site = Host::S3.site();
    let mut other = request.clone();
    let date = basic(shifted(then, -HOUR)).parse().expect("a header");
    other.headers_mut().insert("x-amz-date", date);
    site.answer(&other, Reply::Service, then, true).0
}

/// An access key that is called `EXP` and a number ends then, in seconds since 1970.
fn has_expired(request: &Request<Bytes>, world: &World) -> bool {
    let header = request.headers().get("authorization");
    let key = header.and_then(|header| header.to_str().ok()?.split_once("Credential=EXP"));
    let expiry = key.and_then(|(_, rest)| rest.split(['N', '/']).next()?.parse().ok());
    let now = world.true_time().duration_since(UNIX_EPOCH);
    expiry.is_some_and(|expiry: u64| now.expect("is later").as_secs() >= expiry)
}

fn is_beyond(error: i64, tolerance: Duration) -> bool {
    u128::from(error.unsigned_abs()) > tolerance.as_millis()
}

fn host_of(url: &'static str) -> &'static str {
    url.split_once("://").map_or(url, |(_, host)| host)
}

fn is_for_session(request: &Request<Bytes>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    query.split('&').any(|pair| pair == "session")
}

/// A session of S3 Express, which lasts five minutes.
fn session(world: &World, number: usize) -> Full<Bytes> {
    let end = world.true_time() + Duration::from_secs(300);
    let seconds = end.duration_since(UNIX_EPOCH).expect("is later").as_secs();
    let end = extended(end);
    let credentials = format!(
        "<CreateSessionResult><Credentials><SessionToken>T</SessionToken>\
         <SecretAccessKey>{SECRET}</SecretAccessKey>\
         <AccessKeyId>EXP{seconds}N{number}</AccessKeyId>\
         <Expiration>{end}</Expiration></Credentials></CreateSessionResult>"
    );
    Full::from(credentials)
}

const QUOTES: &str = r#"{"__type":"com.amazon.coral.validate#ValidationException","message":"1 validation error detected: Value 'Signature expired: 20260101T000000Z is now earlier than 20260301T000000Z (20260301T000500Z - 5 min.)' at 'name' failed to satisfy constraint"}"#;

impl fmt::Debug for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Net")
    }
}

impl HttpConnector for Net {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let net = self.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().expect("was made by the SDK");
            let (head, body) = request.into_parts();
            let body = body.collect().await;
            let body = body.map_err(|error| ConnectorError::other(error, None))?;
            let response = net.carry(&Request::from_parts(head, body.to_bytes())).await;
            let response = response.map_err(|lost| ConnectorError::io(lost.into()))?;
            let response = response.map(|body| SdkBody::from(whole(body)));
            Ok(HttpResponse::try_from(response).expect("ASCII only"))
        })
    }
}

impl HttpClient for Net {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} after {:?}, signed {} ms off, local clock {} ms, {} ms after",
            self.verdict, self.took, self.error, self.local_error, self.local_error_after
        )?;
        let marks = [
            (self.is_for_session, ", for a session"),
            (self.has_session, ", with a session"),
            (self.has_date_only, ", states only a `Date`"),
            (self.date != DateFault::None, ", without a correct `Date`"),
            (self.is_odd, ", the odd server"),
        ];
        for (_, mark) in marks.iter().filter(|(applies, _)| *applies) {
            f.write_str(mark)?;
        }
        Ok(())
    }
}

impl<B> Service<Request<B>> for Net
where
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    type Response = Response<Full<Bytes>>;
    type Error = Lost;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Lost>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let net = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let Ok(body) = body.collect().await;
            net.carry(&Request::from_parts(head, body.to_bytes())).await
        })
    }
}
