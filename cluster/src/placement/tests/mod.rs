//! Random clusters, changed at random, and what has to hold of their tables.

mod certificate;
mod cluster;
mod exact;
mod figures;
mod properties;
