//! The implementations that are compared, each behind one trait.

mod copy;
mod isal;
mod ours;
mod reed_solomon_erasure;
mod reed_solomon_simd;

use crate::{Row, Stripes};

pub use isal::IsaL;

/// An implementation.
pub trait Peer {
    /// Its column in the table.
    fn name(&self) -> &'static str;

    /// Whether its shards are the same bytes as ours.
    fn is_interchangeable(&self) -> bool;

    /// Prepares a row's work on every stripe, all that a program would do once
    /// for many stripes: tables, inverted matrices, lists of pointers.
    fn prepare<'a>(&self, row: &Row, stripes: &'a Stripes) -> Work<'a>;
}

/// Does a row's work on the stripe of that number.
pub type Work<'a> = Box<dyn FnMut(usize) + 'a>;

/// Every implementation that this machine has, ours first. Says on the standard
/// error which one is missing.
pub fn all() -> Vec<Box<dyn Peer>> {
    let mut peers: Vec<Box<dyn Peer>> = vec![Box::new(ours::Ours)];
    match IsaL::load() {
        Ok(library) => peers.push(Box::new(library)),
        Err(error) => eprintln!("ISA-L is left out: {error}"),
    }
    peers.push(Box::new(reed_solomon_erasure::Simd));
    peers.push(Box::new(reed_solomon_erasure::Portable));
    peers.push(Box::new(reed_solomon_simd::ReedSolomonSimd));
    peers.push(Box::new(copy::Copy));
    peers
}
