//! [`Limiters`]: rate limiters for adaptive retries that have not seen another
//! clock.
//!
//! The SDK's limiter refills by the time that has passed; when the clock goes
//! back an hour it owes an hour's tokens, and the next call waits for as long.
//!
//! What cannot be helped: an operation that already waits in a limiter when the
//! clock goes back has nobody to give it another, and waits for as long. And a
//! limiter says neither how it was built nor whose it is, so after a move one of
//! the user's own has the SDK's default settings, and is shared by all custom
//! partitions of the same name.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_smithy_runtime::client::retries::{ClientRateLimiter, RetryPartition, TokenBucket};
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::retry::{RetryConfig, RetryMode};

use crate::clock::SkewClock;

/// One limiter for each retry partition, made anew when the clock moves; shared
/// by all clients of a clock, as the SDK shares its own.
#[derive(Debug, Default)]
pub(super) struct Limiters(Mutex<HashMap<RetryPartition, (u64, ClientRateLimiter)>>);

/// What an operation has been given so far.
#[derive(Debug, Default)]
pub(super) struct Lease {
    users: Option<Box<RetryPartition>>,
    moves: u64,
}

impl Lease {
    /// Puts a limiter that knows only the present clock into the bag of an operation
    /// that retries adaptively.
    pub(super) fn renew(&mut self, clock: &SkewClock, cfg: &mut ConfigBag) {
        let (moves, now) = stable(clock);
        if self.moves == moves {
            return;
        }
        let users = self
            .users
            .take()
            .or_else(|| cfg.load::<RetryPartition>().cloned().map(Box::new));
        let bucket = cfg.load::<TokenBucket>().cloned();
        let (Some(users), Some(bucket)) = (users, bucket) else {
            return;
        };
        let seconds = now
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64();
        let limiter = clock.attachment::<Limiters>().get(&users, moves, seconds);
        let partition = RetryPartition::custom("aws-clock-skew")
            .token_bucket(bucket)
            .client_rate_limiter(limiter)
            .build();
        cfg.interceptor_state().store_put(partition);
        *self = Self {
            users: Some(users),
            moves,
        };
    }
}

impl Limiters {
    fn get(&self, users: &RetryPartition, moves: u64, seconds: f64) -> ClientRateLimiter {
        let mut limiters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, limiter)) = limiters.get(users)
            && *known >= moves
        {
            return limiter.clone();
        }
        let limiter = ClientRateLimiter::new(seconds);
        limiters.insert(users.clone(), (moves, limiter.clone()));
        limiter
    }
}

/// Returns the time together with the number of the clock that says it: reading
/// the clock can move it, and so can others in between.
fn stable(clock: &SkewClock) -> (u64, SystemTime) {
    let mut moves = clock.moves();
    loop {
        let now = clock.now();
        let after = clock.moves();
        if after == moves {
            return (moves, now);
        }
        moves = after;
    }
}

pub(super) fn is_adaptive(cfg: &ConfigBag) -> bool {
    cfg.load::<RetryConfig>()
        .is_some_and(|config| config.mode() == RetryMode::Adaptive)
}
