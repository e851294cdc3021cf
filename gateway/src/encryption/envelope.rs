//! Small secrets sealed under a key that is used for many of them.
//!
//! ```text
//! salt (32) | ciphertext | tag (16)
//! ```
//!
//! The cipher's key follows from the key and a salt of its own, so that no number of secrets wears the
//! key out and no nonce can come twice. What is sealed is bound to a context, which isn't in it.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use zeroize::Zeroizing;

use crate::data::KEY_BYTES;

const SALT_BYTES: usize = 32;

/// Seals `plain` for whoever has the key and knows the context.
pub(crate) fn seal(key: &[u8; KEY_BYTES], context: &[u8], plain: &[u8]) -> Vec<u8> {
    let salt: [u8; SALT_BYTES] = rand::random();
    let mut bytes = plain.to_vec();
    cipher(key, &salt)
        .seal_in_place_append_tag(nonce(), Aad::from(context), &mut bytes)
        .expect("a secret is far below the cipher's bound");
    [&salt[..], &bytes].concat()
}

/// Opens what was sealed; none: it was sealed under another key or context, or it is damaged.
pub(crate) fn open(
    key: &[u8; KEY_BYTES],
    context: &[u8],
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let (salt, ciphertext) = sealed.split_first_chunk::<SALT_BYTES>()?;
    let mut bytes = Zeroizing::new(ciphertext.to_vec());
    let length = cipher(key, salt)
        .open_in_place(nonce(), Aad::from(context), &mut bytes)
        .ok()?
        .len();
    bytes.truncate(length);
    Some(bytes)
}

fn cipher(key: &[u8; KEY_BYTES], salt: &[u8; SALT_BYTES]) -> LessSafeKey {
    let mut derived = Zeroizing::new([0; KEY_BYTES]);
    Salt::new(HKDF_SHA256, salt)
        .extract(key)
        .expand(&[b"riquet envelope"], &AES_256_GCM)
        .and_then(|okm| okm.fill(&mut derived[..]))
        .expect("a key is shorter than what HKDF can give");
    let key = UnboundKey::new(&AES_256_GCM, &derived[..]).expect("the key has its length");
    LessSafeKey::new(key)
}

/// Each derived key seals once.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_and_the_context_open_it() {
        let (key, other) = ([1; KEY_BYTES], [2; KEY_BYTES]);
        let sealed = seal(&key, b"here", b"secret");
        assert_eq!(
            open(&key, b"here", &sealed).as_deref().map(Vec::as_slice),
            Some(&b"secret"[..])
        );
        assert_eq!(open(&other, b"here", &sealed), None);
        assert_eq!(open(&key, b"there", &sealed), None);
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert_eq!(open(&key, b"here", &damaged), None);
            assert_eq!(open(&key, b"here", &sealed[..at]), None);
        }
        assert_ne!(seal(&key, b"here", b"secret"), sealed);
    }
}
