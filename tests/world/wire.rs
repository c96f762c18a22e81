//! The wire between a machine and the services: virtual time passes on it, and each request has a
//! fate.

// The path is explicit because the marathon includes this file from another package.
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

/// A wire with a service for each host. Clones share everything.
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
    /// The clock that is read whenever a request is sent.
    watched: Option<SkewClock>,
    was_rejected: bool,
    count: usize,
}

/// One request as it arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) verdict: Verdict,
    /// How far the time of its signature was ahead of the true time when it was sent, in
    /// milliseconds.
    pub(crate) ahead: i64,
    /// Whether it is signed for the second that the local wall clock showed.
    pub(crate) is_by_wall: bool,
    /// Whether the clock differed from the wall clock when it was sent.
    pub(crate) is_corrected: bool,
    /// How far the wall clock was ahead of the true time when the response came, in milliseconds.
    pub(crate) skew_at_answer: i64,
}

impl Sent {
    /// Returns whether the local clock was wrong by more than the crate leaves alone, when it was
    /// read for the signature or when the response came.
    pub(crate) fn was_wrong(&self) -> bool {
        self.ahead.abs().max(self.skew_at_answer.abs()) > 2 * MINUTE
    }
}

/// The error of a broken connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost;

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection reset")
    }
}

impl std::error::Error for Lost {}

impl Wire {
    /// A wire to one service for all hosts.
    pub(crate) fn new(world: &World, site: Site) -> Self {
        let wire = Self(Arc::new(Inner {
            world: world.clone(),
            state: Mutex::default(),
        }));
        wire.add("", site);
        wire
    }

    /// Adds the service of the hosts whose names start with `host`.
    pub(crate) fn add(&self, host: &str, site: Site) {
        self.state().sites.insert(0, (host.to_owned(), site));
    }

    /// Plans what happens to the next requests. Nothing happens to those after them.
    pub(crate) fn plan(&self, fates: impl IntoIterator<Item = Fate>) {
        self.state().fates.extend(fates);
    }

    /// Drops the plans that have not happened.
    pub(crate) fn forget_plans(&self) {
        self.state().fates.clear();
    }

    /// Reads this clock whenever a request is sent.
    pub(crate) fn watches(&self, clock: &SkewClock) {
        self.state().watched = Some(clock.clone());
    }

    /// From now on requests are answered when this many have arrived.
    pub(crate) fn hold(&self, requests: usize) {
        self.state().gate = Some(Arc::new(tokio::sync::Barrier::new(requests)));
    }

    /// Returns when the requests are answered.
    async fn is_let_go(&self) {
        let gate = self.state().gate.clone();
        if let Some(gate) = gate {
            gate.wait().await;
            // Later requests are not held.
            self.state().gate = None;
        }
    }

    /// Returns the requests since the last call.
    pub(crate) fn take_sent(&self) -> Vec<Sent> {
        std::mem::take(&mut self.state().sent)
    }

    /// Returns the response, if there is one.
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
            // The service states the time at which it has finished.
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
        self.0.state.lock().expect("is not poisoned")
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
