//! One codec for each shape of code in use.

use std::collections::HashMap;
use std::sync::RwLock;

use riquet_erasure::Codec;

use crate::profile::Profile;

/// Codecs by (data, parity) shards; a codec caches its inverted matrices, so they are shared.
#[derive(Default)]
pub struct Codecs {
    by_shape: RwLock<HashMap<(usize, usize), Codec>>,
}

impl Codecs {
    /// The codec of a profile.
    pub fn of(&self, profile: &Profile) -> Codec {
        let shape = (profile.k(), profile.parity());
        if let Some(codec) = self.by_shape.read().expect("no holder panics").get(&shape) {
            return codec.clone();
        }
        let codec = Codec::new(shape.0, shape.1).expect("a validated profile has a codec");
        self.by_shape
            .write()
            .expect("no holder panics")
            .entry(shape)
            .or_insert(codec)
            .clone()
    }
}
