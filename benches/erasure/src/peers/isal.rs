//! Intel's ISA-L, from its shared library at run time: nothing is linked, so the
//! bench builds without it. Its own dispatch picks the kernel.

use std::ffi::{c_int, c_uchar};

use libloading::Library;
use riquet_erasure::Codec;

use super::{Peer, Work};
use crate::{Row, Stripes};

/// The library to load instead of the system's, such as a newer build.
const LIBRARY_VARIABLE: &str = "RIQUET_BENCH_ISAL";

/// The function to call instead of the dispatching one, such as one instruction set's.
const ENCODE_VARIABLE: &str = "RIQUET_BENCH_ISAL_ENCODE";

/// Bytes of the table that it makes of one factor.
const TABLE_BYTES: usize = 32;

type InitTables = unsafe extern "C" fn(c_int, c_int, *const c_uchar, *mut c_uchar);
type Encode = unsafe extern "C" fn(
    c_int,
    c_int,
    c_int,
    *const c_uchar,
    *const *const c_uchar,
    *const *mut c_uchar,
);

/// The loaded library.
pub struct IsaL {
    init_tables: InitTables,
    encode: Encode,
    // Keeps the functions loaded.
    _library: Library,
}

impl IsaL {
    /// Which library is loaded.
    pub fn library_name() -> String {
        std::env::var(LIBRARY_VARIABLE).unwrap_or_else(|_| "libisal.so.2".to_owned())
    }

    /// Loads it.
    ///
    /// # Errors
    /// When it is not there, or lacks the functions.
    pub fn load() -> Result<IsaL, libloading::Error> {
        let encode = std::env::var(ENCODE_VARIABLE).unwrap_or_else(|_| "ec_encode_data".to_owned());
        // SAFETY: the library runs no code of its own when loaded; the functions
        // have these types in its header `erasure_code.h`.
        unsafe {
            let library = Library::new(Self::library_name())?;
            Ok(IsaL {
                init_tables: *library.get("ec_init_tables")?,
                encode: *library.get(encode.as_str())?,
                _library: library,
            })
        }
    }
}

impl Peer for IsaL {
    fn name(&self) -> &'static str {
        "ISA-L"
    }

    fn is_interchangeable(&self) -> bool {
        true
    }

    fn prepare<'a>(&self, row: &Row, stripes: &'a Stripes) -> Work<'a> {
        let (read, computed) = row.shards();
        let matrix = matrix(row, &read, &computed);
        let mut tables = vec![0; TABLE_BYTES * read.len() * computed.len()];
        let [inputs, outputs] = [read.len(), computed.len()].map(|n| n as c_int);
        // SAFETY: the matrix has a row per output and a column per input, and the
        // tables the room that each factor takes.
        unsafe { (self.init_tables)(inputs, outputs, matrix.as_ptr(), tables.as_mut_ptr()) };
        let pointers: Vec<(Vec<*const u8>, Vec<*mut u8>)> = stripes
            .stripes()
            .iter()
            .map(|stripe| {
                let from = read.iter().map(|&shard| stripe.shard(shard).as_ptr());
                // SAFETY: the computed shards are none of those read, and a row's
                // work is dropped before the next is prepared.
                let to = computed
                    .iter()
                    .map(|&s| unsafe { stripe.shard_mut(s) }.as_mut_ptr());
                (from.collect(), to.collect())
            })
            .collect();
        let (encode, len) = (self.encode, row.cell_bytes as c_int);
        Box::new(move |i| {
            let (from, to) = &pointers[i];
            // SAFETY: as many pointers as said, each to `len` bytes; the tables were
            // made for them.
            unsafe {
                encode(
                    len,
                    inputs,
                    outputs,
                    tables.as_ptr(),
                    from.as_ptr(),
                    to.as_ptr(),
                )
            }
        })
    }
}

/// The matrix from the shards read to those computed, row by row: what our codec
/// makes of unit vectors.
fn matrix(row: &Row, read: &[usize], computed: &[usize]) -> Vec<u8> {
    let codec = Codec::new(row.data, row.parity).expect("the row's code is one");
    let mut matrix = vec![0; computed.len() * read.len()];
    for column in 0..read.len() {
        let unit = |place| {
            if place == column {
                &[1u8][..]
            } else {
                &[0][..]
            }
        };
        let present: Vec<(usize, &[u8])> = read
            .iter()
            .enumerate()
            .map(|(place, &shard)| (shard, unit(place)))
            .collect();
        let mut entries = vec![[0u8]; computed.len()];
        let mut out: Vec<&mut [u8]> = entries.iter_mut().map(|entry| &mut entry[..]).collect();
        codec
            .reconstruct(&present, computed, &mut out)
            .expect("all fits");
        for (output, [entry]) in entries.into_iter().enumerate() {
            matrix[output * read.len() + column] = entry;
        }
    }
    matrix
}
