//! The wire between a machine and the services: virtual time passes on it, and
//! every request meets its fate.

// The path is stated because the marathon takes this file from elsewhere.
#[path = "wire/connector.rs"]
mod connector;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use aws_clock_skew::{LocalClock, SkewClock};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tower::Service;

use crate::clocks::{MINUTE, World, millis_between};
use crate::fate::Fate;
use crate::site::{Site, Verdict, amz_date};
use crate::skew_error::{basic, stamp};

/// The end of the wire is a service for each host; clones share all of it.
#[derive(Clone)]
pub(crate) struct Wire(Arc<Inner>);

struct Inner {
    world: World,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sites: Vec<(String, Site)>,
    fates: VecDeque<Fate>,
    sent: Vec<Sent>,
    gate: Option<Arc<tokio::sync::Barrier>>,
    /// Whose time is looked at whenever a request is sent.
    watched: Option<SkewClock>,
    was_rejected: bool,
    count: usize,
}

/// One request as it arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) verdict: Verdict,
    /// How far the time of its signature was ahead of the truth when it was sent, in
    /// milliseconds.
    pub(crate) ahead: i64,
    /// It is signed for the second that the local wall clock showed.
    pub(crate) is_by_wall: bool,
    /// The clock differed from the wall clock when it was sent.
    pub(crate) is_corrected: bool,
    /// How far the wall clock was ahead of the truth when the answer came, in
    /// milliseconds.
    pub(crate) skew_at_answer: i64,
}

impl Sent {
    /// Returns whether the local clock was wrong, by more than is left alone: as
    /// far as it signed, or when the answer came.
    pub(crate) fn was_wrong(&self) -> bool {
        self.ahead.abs().max(self.skew_at_answer.abs()) > 2 * MINUTE
    }
}

/// The connection broke.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost;

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection reset")
    }
}

impl std::error::Error for Lost {}

impl Wire {
    /// A wire to one service, whatever the host.
    pub(crate) fn new(world: &World, site: Site) -> Self {
        let wire = Self(Arc::new(Inner {
            world: world.clone(),
            state: Mutex::default(),
        }));
        wire.add("", site);
        wire
    }

    /// Adds the service of a host whose name begins so.
    pub(crate) fn add(&self, host: &str, site: Site) {
        self.state().sites.insert(0, (host.to_owned(), site));
    }

    /// Says what happens to the next requests; those after them meet nothing.
    pub(crate) fn plan(&self, fates: impl IntoIterator<Item = Fate>) {
        self.state().fates.extend(fates);
    }

    /// Takes back what was planned and has not happened.
    pub(crate) fn forget_plans(&self) {
        self.state().fates.clear();
    }

    /// Looks at this clock whenever a request is sent.
    pub(crate) fn watches(&self, clock: &SkewClock) {
        self.state().watched = Some(clock.clone());
    }

    /// From now on requests are answered when so many have come.
    pub(crate) fn hold(&self, requests: usize) {
        self.state().gate = Some(Arc::new(tokio::sync::Barrier::new(requests)));
    }

    /// Returns when the requests are answered.
    async fn is_let_go(&self) {
        let gate = self.state().gate.clone();
        if let Some(gate) = gate {
            gate.wait().await;
            // Whoever comes later is not held.
            self.state().gate = None;
        }
    }

    /// Returns the requests that were sent since this was asked last.
    pub(crate) fn take_sent(&self) -> Vec<Sent> {
        std::mem::take(&mut self.state().sent)
    }

    /// Returns what came back, if anything did.
    fn carry(&self, request: &Request<Bytes>) -> Result<Response<Full<Bytes>>, Lost> {
        let world = &self.0.world;
        let date = amz_date(request);
        let (truth, wall) = (world.true_time(), world.wall());
        let (fate, is_corrected) = {
            let mut state = self.state();
            let watched = state.watched.as_ref();
            let is_corrected = watched.is_some_and(|clock| clock.now() != wall);
            (state.fates.pop_front().unwrap_or_default(), is_corrected)
        };
        for event in fate.there {
            world.undergoes(event);
        }
        let mut state = self.state();
        let is_verified = state.was_rejected || state.count.is_multiple_of(64);
        state.count += 1;
        let host = request.uri().host().unwrap_or_default();
        let site = state.sites.iter().find(|(name, _)| host.starts_with(name));
        let (_, site) = site.expect("there is one for any host");
        let arrived = world.true_time();
        let (mut response, verdict) = site.answer(request, fate.reply, arrived, is_verified);
        if verdict == Verdict::Accepted && fate.work > Duration::ZERO {
            world.passes(fate.work);
            // Whatever it says of the time, it says when it is done.
            let done = world.true_time();
            response = site.accepted(fate.reply, done);
        }
        for event in fate.back {
            world.undergoes(event);
        }
        state.was_rejected = !response.status().is_success();
        state.sent.push(Sent {
            verdict,
            ahead: millis_between(truth, stamp(date).expect("is signed")),
            is_by_wall: date == basic(wall),
            is_corrected,
            skew_at_answer: world.skew(),
        });
        if fate.is_lost {
            Err(Lost)
        } else {
            Ok(response)
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("nobody panics with it")
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl Service<Request<Full<Bytes>>> for Wire {
    type Response = Response<Full<Bytes>>;
    type Error = Lost;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Lost>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let wire = self.clone();
        Box::pin(async move {
            wire.is_let_go().await;
            wire.carry(&request.map(whole))
        })
    }
}

pub(crate) fn whole(body: Full<Bytes>) -> Bytes {
    let collected = body.collect().now_or_never();
    let Some(Ok(collected)): Option<Result<_, Infallible>> = collected else {
        unreachable!("its bytes are at hand");
    };
    collected.to_bytes()
}
