//! The rows of the second table: in which order encoding and hashing take turns.

/// The codes measured, as (data, parity).
pub const CODES: [(usize, usize); 2] = [(4, 8), (8, 12)];

/// Bytes of a cell, as in production.
pub const CELL_BYTES: usize = 64 << 10;

/// Bytes of the object: with its parity, many times a core's caches.
pub const OBJECT_BYTES: usize = 64 << 20;

/// How encoding and hashing take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// All stripes are encoded, then all cells hashed.
    Separate,
    /// Stripe by stripe.
    Stripes,
    /// So many bytes of every cell of a stripe, then the next.
    Blocks(usize),
}

/// The orders measured.
pub fn orders() -> [Order; 5] {
    [
        Order::Separate,
        Order::Stripes,
        Order::Blocks(32 << 10),
        Order::Blocks(16 << 10),
        Order::Blocks(8 << 10),
    ]
}

impl Order {
    /// Its row, in words.
    pub fn name(self) -> String {
        match self {
            Order::Separate => "one after the other, on cold data".to_owned(),
            Order::Stripes => "stripe by stripe".to_owned(),
            Order::Blocks(bytes) => format!("fused in blocks of {} KiB", bytes >> 10),
        }
    }
}
