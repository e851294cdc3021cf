//! Random clusters, changed at random, and what has to hold of their tables.

mod cluster;
mod exact;
mod figures;
mod properties;
