//! Send, judge, prove, re-sign, send: the one state machine of the doors that
//! sign by themselves.
//!
//! Accepted answers do not come this far, but for those that the clock minds.

mod departure;
mod proven;

use std::future::Future;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use bytes::Bytes;

use crate::clock::SkewClock;
use crate::estimator::Estimator;
use crate::evidence::{Evidence, ResponseView};
use crate::host::Host;
use crate::incident::{Incident, NotResigned};
use crate::judge::{Attempt, WORTH_A_CORRECTION};
use crate::local_clock::Reading;
use crate::offset::ClockOffset;
use crate::report::RetryOutcome;
use crate::resign::{Head, SignatureHeader, service_of, stamp_of};
use crate::ruling::{Door, Exchange};

pub(crate) use departure::{Departure, minds_accepted};
use proven::{proven, resigned};

/// What a door can do with the one request it carries: it keeps a copy of it.
pub(crate) trait Carrier: Send {
    type Response: Send;
    type Error: Send;

    /// Returns the copy of the request.
    fn head(&self) -> Head<'_>;

    /// Returns one of its headers.
    fn header(&self, name: &str) -> Option<&str> {
        self.head().header(name)
    }

    /// Returns the host that it is for.
    fn host(&self) -> Option<Host> {
        Host::of_uri(&self.head().uri)
    }

    /// Returns whether the body can be sent again.
    fn is_replayable(&self) -> bool;

    /// Returns the body, or `None` where it cannot be told before it is sent.
    fn body(&mut self) -> impl Future<Output = Option<Bytes>> + Send;

    /// Returns the credentials as they are now.
    fn credentials(&mut self) -> impl Future<Output = Option<Credentials>> + Send;

    /// Returns credentials of late with this access key, good or not: a move of the
    /// clock has them asked for again, and others may come.
    fn recent_credentials(&self, access_key: &str) -> Option<Credentials>;

    /// Reads the beginning of an answer's body, and gives the answer back whole.
    fn read(
        &mut self,
        response: Self::Response,
    ) -> impl Future<Output = (Self::Response, Bytes)> + Send;

    /// Returns whether the status is one of success: such an answer is not read.
    fn is_success(response: &Self::Response) -> bool;

    /// Returns what an answer says of the clock, with the beginning of its body.
    fn view<'a>(response: &'a Self::Response, text: &'a [u8]) -> ResponseView<'a>;

    /// Sends the copy with these headers in the place of its own.
    fn send(
        &mut self,
        headers: Vec<SignatureHeader>,
    ) -> impl Future<Output = Result<Self::Response, Self::Error>> + Send;

    /// Says on the answer what has become of it.
    fn mark(&self, response: &mut Self::Response, seen: Seen) {
        let _ = (response, seen);
    }
}

/// What this state machine has done about a refused answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Seen {
    /// Nothing was to be done, or the request was sent again.
    Settled,
    /// A new signature can help, and this door could not make it; the number under
    /// which the request may have taught the clock.
    CouldNotResign { request: u64 },
    /// The same, for a host whose time is not the clock's: nothing was learned.
    Disputed { request: u64 },
}

/// Takes note of an accepted answer.
pub(crate) fn accept<C: Carrier>(
    carrier: &C,
    clock: &SkewClock,
    departure: Departure,
    received: Reading,
    response: &C::Response,
) {
    let evidence = Evidence::read(&C::view(response, &[]));
    let signed_at = carrier.header("x-amz-date").and_then(stamp_of);
    let host = carrier.host();
    clock.accept(&Exchange {
        attempt: departure.arrived(received, signed_at),
        evidence: &evidence,
        host: host.as_ref(),
        service: carrier.header("authorization").and_then(service_of),
        operation: None,
        door: Door::of(clock),
        moves_at_signing: departure.moves_at_signing(clock, signed_at),
        request: clock.next_request(),
        is_second: false,
    });
}

/// Returns whether a request may have to be signed anew before it is sent.
pub(crate) fn has_to_prepare(clock: &SkewClock) -> bool {
    !clock.observes_only() && (clock.is_corrected() || clock.has_disputes())
}

/// A request has to be signed anew before it is sent at all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anew {
    sign_by: Option<ClockOffset>,
}

impl Anew {
    /// Returns `None` if the signature is near what this host takes for the time.
    pub(crate) fn of(
        clock: &SkewClock,
        signed_at: Option<SystemTime>,
        host: impl FnOnce() -> Option<Host>,
    ) -> Option<Self> {
        let sign_by = if clock.has_disputes() {
            host().and_then(|host| clock.disputed(&host))
        } else {
            None
        };
        let distance = ClockOffset::between(signed_at?, time_by(clock, sign_by)).magnitude();
        (distance >= WORTH_A_CORRECTION).then_some(Self { sign_by })
    }
}

/// Signs the request anew before it is sent at all, if its signature is far from
/// what this host takes for the time.
pub(crate) async fn prepare<C: Carrier>(
    carrier: &mut C,
    clock: &SkewClock,
) -> Option<Vec<SignatureHeader>> {
    let Anew { sign_by } = {
        let head = carrier.head();
        Anew::of(clock, head.signed_at(), || Host::of_uri(&head.uri))?
    };
    let proven = proven(carrier).await;
    resigned(carrier, clock, proven, sign_by).await.ok()
}

/// Hears an answer that is not an accepted one. Returns what the caller gets.
///
/// # Errors
///
/// The error of the second send, if there is one and it fails.
pub(crate) async fn recover<C: Carrier>(
    carrier: &mut C,
    clock: &SkewClock,
    departure: Departure,
    received: Reading,
    response: C::Response,
) -> Result<C::Response, C::Error> {
    let (mut response, text) = carrier.read(response).await;
    let evidence = Evidence::read(&C::view(&response, &text));
    let (context, attempt) = {
        let head = carrier.head();
        (
            Context::of(&head, clock),
            departure.arrived(received, head.signed_at()),
        )
    };
    let moves = departure.moves_at_signing(clock, attempt.signed_at);
    let exchange = context.exchange(&evidence, attempt, moves);
    if evidence.accepted() {
        // A 304, which is no success to HTTP.
        clock.accept(&exchange);
        carrier.mark(&mut response, Seen::Settled);
        return Ok(response);
    }
    // Whose signature it is, is asked before the clock moves: the credentials of
    // then have made it.
    let proven = if clock.would_resign(&exchange) {
        let proven = proven(carrier).await;
        Some(proven.and_then(|proven| {
            let is_replayable = carrier.is_replayable();
            is_replayable.then_some(proven).ok_or(NotResigned::Body)
        }))
    } else {
        None
    };
    let ruling = clock.rule(&exchange);
    let Some(proven) = proven.filter(|_| ruling.resign) else {
        carrier.mark(&mut response, Seen::Settled);
        return Ok(response);
    };
    if let (Some(lesson), Ok(proven)) = (&ruling.pending, &proven)
        && proven.has_expired(lesson.point.at_boot(clock.reading().boot))
    {
        // Others are had only by a clock that shows that these have expired.
        clock.suppose(&exchange, lesson);
    }
    let headers = match resigned(carrier, clock, proven, ruling.sign_by).await {
        Ok(headers) => headers,
        Err(reason) => {
            if let Some(lesson) = ruling.pending {
                clock.suppose(&exchange, &lesson);
            }
            clock.retried(RetryOutcome::NotResigned);
            clock.enter(|estimator: &Estimator, reading| {
                Incident::NotResigned(exchange.facts(estimator, reading), reason)
            });
            let request = context.request;
            let seen = if ruling.is_disputed {
                Seen::Disputed { request }
            } else {
                Seen::CouldNotResign { request }
            };
            carrier.mark(&mut response, seen);
            return Ok(response);
        }
    };
    drop(response);

    let signed_for = amz_date(&headers);
    let departure = Departure::now(clock);
    let second = match carrier.send(headers).await {
        Ok(second) => second,
        Err(error) => {
            clock.retried(RetryOutcome::Failed);
            return Err(error);
        }
    };
    let received = clock.reading();
    let (mut second, text) = if C::is_success(&second) {
        (second, Bytes::new())
    } else {
        carrier.read(second).await
    };
    let evidence = Evidence::read(&C::view(&second, &text));
    let attempt = departure.arrived(received, signed_for);
    let moves = departure.moves_at_signing(clock, signed_for);
    let answer = Exchange {
        is_second: true,
        ..context.exchange(&evidence, attempt, moves)
    };
    clock.retried(RetryOutcome::of(&evidence));
    if let Some(lesson) = ruling.pending {
        clock.settle(&answer, &lesson);
    }
    if evidence.accepted() {
        clock.accept(&answer);
    } else {
        clock.rule(&answer);
    }
    carrier.mark(&mut second, Seen::Settled);
    Ok(second)
}

/// Returns the time by a host's own clock, or by ours.
fn time_by(clock: &SkewClock, point: Option<ClockOffset>) -> SystemTime {
    match point {
        Some(point) => point.at_boot(clock.reading().boot),
        None => clock.now(),
    }
}

fn amz_date(headers: &[SignatureHeader]) -> Option<SystemTime> {
    let header = headers.iter().find(|header| header.name == "x-amz-date")?;
    stamp_of(&header.value)
}

impl Door {
    /// Who only observes signs nothing again.
    fn of(clock: &SkewClock) -> Self {
        if clock.observes_only() {
            Self::Signer
        } else {
            Self::Resigner
        }
    }
}

/// What both exchanges of a request have in common.
struct Context {
    host: Option<Host>,
    service: Option<String>,
    request: u64,
    door: Door,
}

impl Context {
    fn of(head: &Head<'_>, clock: &SkewClock) -> Self {
        Self {
            request: clock.next_request(),
            door: Door::of(clock),
            host: Host::of_uri(&head.uri),
            service: head.service().map(str::to_owned),
        }
    }

    fn exchange<'a>(
        &'a self,
        evidence: &'a Evidence,
        attempt: Attempt,
        moves_at_signing: u64,
    ) -> Exchange<'a> {
        Exchange {
            attempt,
            evidence,
            host: self.host.as_ref(),
            service: self.service.as_deref(),
            operation: None,
            door: self.door,
            moves_at_signing,
            request: self.request,
            is_second: false,
        }
    }
}

/// How long, and how much of, an error body is waited for. What rejects a
/// signature answers with a few hundred bytes at once.
pub(crate) const LONGEST_READ: Duration = Duration::from_secs(5);
pub(crate) const LARGEST_READ: usize = 64 * 1_024;
