//! What accepted requests allocate on their way through each integration.
//!
//! Exact figures: a change that costs more has to say so here.

mod integrations;
mod layer;
