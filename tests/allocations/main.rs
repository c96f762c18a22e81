//! What accepted requests allocate on their way through each door.
//!
//! Exact figures: a change that costs more has to say so here.

mod doors;
mod layer;
