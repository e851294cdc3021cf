//! Bounds of histograms. A bucket costs a time series for each set of labels, so each scale has as many as
//! answer what is asked of it: where the median lies, and whether the slowest hundredth got worse.

/// Work of the processor on one chunk, seconds: from a cell of 4 KiB, some microseconds, to 64 MiB on a
/// busy machine.
pub const WORK_SECONDS: &[f64] = &[
    0.000_01, 0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0,
];

/// An operation of a disk, seconds: from a write into the cache of an NVMe drive to a hard disk that
/// retries a bad sector.
pub const DISK_SECONDS: &[f64] = &[
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 10.0,
];

/// A call of another process, seconds: from one in the same rack, past a round trip between the sites and
/// its syncs, to what gives up.
pub const CALL_SECONDS: &[f64] = &[
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// A client's request, seconds: from a small read in memory to 5 GiB over a slow line.
pub const REQUEST_SECONDS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0,
];

/// How many shared one sync or one proof: to the largest batch there is.
pub const SHARERS: &[f64] = &[
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0,
];
