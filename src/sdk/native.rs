//! The SDK's own correction: off where ours is in force, and kept from acting on
//! top of ours where it is not.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_runtime::service_clock_skew::DisableClockSkewCorrection;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};

/// Switches the SDK's own correction off for this operation: under a time source
/// that is corrected already it would correct a second time.
pub(super) fn switch_off(cfg: &mut ConfigBag) {
    cfg.interceptor_state()
        .store_put(DisableClockSkewCorrection::from(true));
}

pub(super) fn switch_on(cfg: &mut ConfigBag) {
    cfg.interceptor_state()
        .store_put(DisableClockSkewCorrection::from(false));
}

pub(super) fn is_off(cfg: &ConfigBag) -> bool {
    cfg.load::<DisableClockSkewCorrection>()
        .is_some_and(DisableClockSkewCorrection::is_disabled)
}

/// What the SDK's own correction remembers in a client that is wired in part, and
/// asks a clock of ours that others move.
///
/// It remembers a distance from that clock. After a move this is worth nothing,
/// so the next operation begins without it, and what its answer says is
/// remembered in its place.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// How often the clock had moved when it was made.
    moves: AtomicU64,
}

/// In the config bag of an operation that began without the memory, since the
/// clock had moved this often.
#[derive(Debug)]
struct Anew(u64);

impl Storable for Anew {
    type Storer = StoreReplace<Self>;
}

impl Memory {
    /// Keeps a memory of before the last move from the first signature.
    pub(super) fn begin(&self, moves: u64, cfg: &mut ConfigBag) {
        if self.moves.load(Ordering::Relaxed) != moves && !is_off(cfg) {
            switch_off(cfg);
            cfg.interceptor_state().store_put(Anew(moves));
        }
    }

    /// Lets the answers be heard again.
    pub(super) fn resume(cfg: &mut ConfigBag) {
        if cfg.load::<Anew>().is_some() {
            switch_on(cfg);
        }
    }

    /// An answer has come, which is remembered next.
    pub(super) fn renew(&self, cfg: &ConfigBag) {
        if let Some(Anew(moves)) = cfg.load::<Anew>() {
            self.moves.store(*moves, Ordering::Relaxed);
        }
    }
}
