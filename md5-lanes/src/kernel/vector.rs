//! MD5's compression function, written once over what an instruction set calls
//! a vector: lane `i` of every vector belongs to stream `i`.

use super::{Block, State};

/// What an instruction set gives: `N` lanes of 32-bit words.
///
/// All methods are `inline(always)` into a function that enables the features
/// they need; that is what their callers promise, besides what each says.
pub(super) trait Vector<const N: usize>: Copy {
    unsafe fn from_lanes(lanes: [u32; N]) -> Self;
    unsafe fn into_lanes(self) -> [u32; N];
    unsafe fn splat(word: u32) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    /// Rotates left by `LEFT`; `RIGHT` is `32 - LEFT`.
    unsafe fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self;
    /// `sum + (mask ? set : clear)`, bit by bit: the rounds' F and G.
    unsafe fn add_choice(sum: Self, mask: Self, set: Self, clear: Self) -> Self;
    /// `b ^ c ^ d`: H.
    unsafe fn parity(b: Self, c: Self, d: Self) -> Self;
    /// `c ^ (b | !d)`: I.
    unsafe fn tilt(b: Self, c: Self, d: Self) -> Self;
    /// The 16 little-endian words of one block per lane.
    ///
    /// # Safety
    /// Each pointer plus `offset_bytes` is followed by 64 readable bytes.
    unsafe fn load(from: &[*const u8; N], offset_bytes: usize) -> [Self; 16];
}

/// `floor(2^32 * |sin(i + 1)|)`, the constant of step `i`.
#[rustfmt::skip]
static SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee,
    0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be,
    0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa,
    0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed,
    0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c,
    0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05,
    0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039,
    0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1,
    0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

/// Four steps of one round, after which each of the four words has moved on:
/// `$mix` adds the round's function to a sum, `$step` is the first step's
/// number, `$words` the message words they take.
macro_rules! quad {
    ($a:ident $b:ident $c:ident $d:ident, $mix:ident, $words:expr, $sines:ident, $step:expr,
     [$w0:expr, $w1:expr, $w2:expr, $w3:expr], [$s0:literal, $s1:literal, $s2:literal, $s3:literal]) => {
        quad!(@step $a $b $c $d, $mix, $words[$w0], $sines[$step], $s0);
        quad!(@step $d $a $b $c, $mix, $words[$w1], $sines[$step + 1], $s1);
        quad!(@step $c $d $a $b, $mix, $words[$w2], $sines[$step + 2], $s2);
        quad!(@step $b $c $d $a, $mix, $words[$w3], $sines[$step + 3], $s3);
    };
    (@step $a:ident $b:ident $c:ident $d:ident, $mix:ident, $word:expr, $sine:expr, $shift:literal) => {
        // All but the round's function is ready early; only that waits for `b`.
        let early = $a.add($word.add(V::splat($sine)));
        $a = $mix!(early, $b, $c, $d).rotate::<$shift, { 32 - $shift }>().add($b);
    };
}

macro_rules! f {
    ($sum:expr, $b:ident, $c:ident, $d:ident) => {
        V::add_choice($sum, $b, $c, $d)
    };
}
macro_rules! g {
    ($sum:expr, $b:ident, $c:ident, $d:ident) => {
        V::add_choice($sum, $d, $b, $c)
    };
}
macro_rules! h {
    ($sum:expr, $b:ident, $c:ident, $d:ident) => {
        $sum.add(V::parity($b, $c, $d))
    };
}
macro_rules! i {
    ($sum:expr, $b:ident, $c:ident, $d:ident) => {
        $sum.add(V::tilt($b, $c, $d))
    };
}

/// Takes every state over its blocks, all lanes in step.
///
/// Lanes without a stream repeat lane 0's work, whose lines are in the cache
/// anyway, and their result is dropped.
///
/// # Safety
/// The caller enables the vector's features.
#[inline(always)]
pub(super) unsafe fn compress<V: Vector<N>, const N: usize>(
    states: &mut [State],
    blocks: &[&[Block]],
) {
    let lanes = states.len();
    assert!(
        (1..=N).contains(&lanes),
        "a vector has {N} lanes, not {lanes}"
    );
    assert_eq!(lanes, blocks.len(), "one run of blocks per state");
    let count = blocks[0].len();
    // The loads below rely on this one.
    assert!(
        blocks.iter().all(|run| run.len() == count),
        "runs are equally long"
    );

    // Constants known to the compiler would be added last, by its habit, which
    // is one more operation in the chain that everything waits for.
    let sines: &[u32; 64] = std::hint::black_box(&SINES);
    let lane = |i: usize| if i < lanes { i } else { 0 };
    let pointers: [*const u8; N] = std::array::from_fn(|i| blocks[lane(i)].as_ptr().cast());
    // SAFETY: the features are the caller's promise; each pointer is followed
    // by `count` blocks, and offsets stay below that.
    unsafe {
        let word = |of: usize| V::from_lanes(std::array::from_fn(|i| states[lane(i)][of]));
        let [mut a, mut b, mut c, mut d] = [word(0), word(1), word(2), word(3)];
        for index in 0..count {
            let w = V::load(&pointers, index * size_of::<Block>());
            let before = [a, b, c, d];

            quad!(a b c d, f, w, sines, 0, [0, 1, 2, 3], [7, 12, 17, 22]);
            quad!(a b c d, f, w, sines, 4, [4, 5, 6, 7], [7, 12, 17, 22]);
            quad!(a b c d, f, w, sines, 8, [8, 9, 10, 11], [7, 12, 17, 22]);
            quad!(a b c d, f, w, sines, 12, [12, 13, 14, 15], [7, 12, 17, 22]);

            quad!(a b c d, g, w, sines, 16, [1, 6, 11, 0], [5, 9, 14, 20]);
            quad!(a b c d, g, w, sines, 20, [5, 10, 15, 4], [5, 9, 14, 20]);
            quad!(a b c d, g, w, sines, 24, [9, 14, 3, 8], [5, 9, 14, 20]);
            quad!(a b c d, g, w, sines, 28, [13, 2, 7, 12], [5, 9, 14, 20]);

            quad!(a b c d, h, w, sines, 32, [5, 8, 11, 14], [4, 11, 16, 23]);
            quad!(a b c d, h, w, sines, 36, [1, 4, 7, 10], [4, 11, 16, 23]);
            quad!(a b c d, h, w, sines, 40, [13, 0, 3, 6], [4, 11, 16, 23]);
            quad!(a b c d, h, w, sines, 44, [9, 12, 15, 2], [4, 11, 16, 23]);

            quad!(a b c d, i, w, sines, 48, [0, 7, 14, 5], [6, 10, 15, 21]);
            quad!(a b c d, i, w, sines, 52, [12, 3, 10, 1], [6, 10, 15, 21]);
            quad!(a b c d, i, w, sines, 56, [8, 15, 6, 13], [6, 10, 15, 21]);
            quad!(a b c d, i, w, sines, 60, [4, 11, 2, 9], [6, 10, 15, 21]);

            a = a.add(before[0]);
            b = b.add(before[1]);
            c = c.add(before[2]);
            d = d.add(before[3]);
        }
        for (of, vector) in [a, b, c, d].into_iter().enumerate() {
            for (state, word) in states.iter_mut().zip(vector.into_lanes()) {
                state[of] = word;
            }
        }
    }
}
