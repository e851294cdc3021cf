//! GF(2^8) with the polynomial x^8 + x^4 + x^3 + x^2 + 1 (0x11d), generator 2,
//! and the per-constant tables that the kernels multiply with. Everything is
//! computed at compile time.

/// The reduction polynomial without its x^8 term.
pub(crate) const POLYNOMIAL_LOW: u8 = 0x1d;

struct LogTables {
    /// `exp[i]` is 2^i; written out twice so that a sum of two logarithms needs
    /// no reduction.
    exp: [u8; 510],
    /// `log[x]` for x > 0; `log[0]` is never read.
    log: [u8; 256],
}

static LOGS: LogTables = log_tables();

const fn log_tables() -> LogTables {
    let mut tables = LogTables {
        exp: [0; 510],
        log: [0; 256],
    };
    let mut power = 1u8;
    let mut i = 0;
    while i < 255 {
        tables.exp[i] = power;
        tables.exp[i + 255] = power;
        tables.log[power as usize] = i as u8;
        power = double(power);
        i += 1;
    }
    tables
}

/// `x * 2`.
const fn double(x: u8) -> u8 {
    (x << 1) ^ (POLYNOMIAL_LOW * (x >> 7))
}

/// `a * b` by shift and add, for tables built at compile time.
const fn slow_mul(a: u8, b: u8) -> u8 {
    let mut product = 0;
    let mut power = a;
    let mut bits = b;
    while bits != 0 {
        if bits & 1 == 1 {
            product ^= power;
        }
        power = double(power);
        bits >>= 1;
    }
    product
}

/// `a * b`.
pub(crate) fn mul(a: u8, b: u8) -> u8 {
    if a == 0 || b == 0 {
        return 0;
    }
    LOGS.exp[LOGS.log[a as usize] as usize + LOGS.log[b as usize] as usize]
}

/// `1 / a`. `a` must not be zero.
pub(crate) fn inverse(a: u8) -> u8 {
    assert!(a != 0, "zero has no inverse");
    LOGS.exp[255 - LOGS.log[a as usize] as usize]
}

/// `a ^ exponent`, with 0 ^ 0 = 1.
pub(crate) fn power(a: u8, exponent: usize) -> u8 {
    match (a, exponent) {
        (_, 0) => 1,
        (0, _) => 0,
        _ => LOGS.exp[LOGS.log[a as usize] as usize * exponent % 255],
    }
}

/// Multiplication by c as an 8x8 bit matrix, in the layout that the affine
/// instructions of GFNI read: byte 7-i is the row of result bit i, and bit j of
/// a row says whether bit j of the operand counts.
#[cfg(any(target_arch = "x86_64", test))]
pub(crate) static AFFINE: [u64; 256] = affine_table();

#[cfg(any(target_arch = "x86_64", test))]
const fn affine_table() -> [u64; 256] {
    let mut table = [0u64; 256];
    let mut c = 0;
    while c < 256 {
        let mut column = 0;
        while column < 8 {
            let product = slow_mul(c as u8, 1 << column);
            let mut row = 0;
            while row < 8 {
                if product >> row & 1 == 1 {
                    table[c] |= 1 << ((7 - row) * 8 + column);
                }
                row += 1;
            }
            column += 1;
        }
        c += 1;
    }
    table
}

/// Products of c with every low nibble, then with every high nibble: the two
/// 16-entry tables that byte shuffles look up, as four little-endian words.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", test))]
pub(crate) static NIBBLES: [[u64; 4]; 256] = nibble_table();

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", test))]
const fn nibble_table() -> [[u64; 4]; 256] {
    let mut table = [[0u64; 4]; 256];
    let mut c = 0;
    while c < 256 {
        let mut nibble = 0;
        while nibble < 16 {
            let shift = (nibble % 8) * 8;
            table[c][nibble / 8] |= (slow_mul(c as u8, nibble as u8) as u64) << shift;
            table[c][2 + nibble / 8] |= (slow_mul(c as u8, (nibble as u8) << 4) as u64) << shift;
            nibble += 1;
        }
        c += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use reed_solomon_erasure::galois_8;

    #[test]
    fn agrees_with_the_reference_field() {
        for a in 0..=255u8 {
            for b in 0..=255u8 {
                assert_eq!(mul(a, b), galois_8::mul(a, b));
                assert_eq!(slow_mul(a, b), galois_8::mul(a, b));
            }
            for exponent in 0..600 {
                assert_eq!(power(a, exponent), galois_8::exp(a, exponent));
            }
        }
    }

    #[test]
    fn every_element_but_zero_has_an_inverse() {
        for a in 1..=255u8 {
            assert_eq!(mul(a, inverse(a)), 1);
        }
    }

    #[test]
    fn expanded_tables_multiply() {
        for c in 0..=255u8 {
            for x in 0..=255u8 {
                let rows = AFFINE[c as usize].to_be_bytes();
                let product = (0..8).fold(0u8, |sum, row| {
                    sum | (((rows[row] & x).count_ones() as u8 & 1) << row)
                });
                assert_eq!(product, mul(c, x));

                let entry = |table: &[u64], nibble: u8| {
                    table[nibble as usize / 8].to_le_bytes()[nibble as usize % 8]
                };
                let [low, high] = [&NIBBLES[c as usize][..2], &NIBBLES[c as usize][2..]];
                assert_eq!(entry(low, x & 15) ^ entry(high, x >> 4), mul(c, x));
            }
        }
    }
}
