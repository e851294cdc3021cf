//! The algorithm of Grassmann, Taksar and Heyman: the stationary distribution of a Markov chain without
//! a subtraction.
//!
//! What elimination would subtract is a sum of positive rates here, so every probability keeps its
//! relative accuracy (some n^3 units of the last place at worst; O'Cinneide, 1993), be it 1e-40.
//! A solver that takes differences, such as an LU of the generator, has noise of about 1e-16 there.
//! W. Grassmann, M. Taksar, D. Heyman: Regenerative analysis and steady state distributions for Markov
//! chains, Operations Research 33 (1985).

/// Rates between states, `n` x `n`, row-major; what is on the diagonal does not count.
pub(super) struct Rates {
    n: usize,
    rates: Vec<f64>,
}

impl Rates {
    /// No transitions between `n` states yet.
    pub(super) fn new(n: usize) -> Self {
        Self {
            n,
            rates: vec![0.0; n * n],
        }
    }

    /// Adds a transition.
    pub(super) fn add(&mut self, from: usize, to: usize, rate: f64) {
        debug_assert!(rate >= 0.0, "a rate is not negative");
        self.rates[from * self.n + to] += rate;
    }

    /// The share of time that is spent in each state.
    ///
    /// State 0 must be reached from all others. States are eliminated from the last one down; where
    /// most transitions are between neighbours, little else fills up.
    pub(super) fn stationary(mut self) -> Vec<f64> {
        let n = self.n;
        let mut targets = Vec::with_capacity(n);
        for last in (1..n).rev() {
            let (above, from_last) = self.rates.split_at_mut(last * n);
            let from_last = &from_last[..last];
            let leaving: f64 = from_last.iter().sum();
            assert!(leaving > 0.0, "state {last} leads back to state 0");
            targets.clear();
            targets.extend((0..last).filter(|to| from_last[*to] > 0.0));
            for row in above.chunks_exact_mut(n) {
                if row[last] > 0.0 {
                    let visits = row[last] / leaving;
                    row[last] = visits;
                    for &to in &targets {
                        row[to] += visits * from_last[to];
                    }
                }
            }
        }
        let mut time = vec![0.0; n];
        time[0] = 1.0;
        for state in 1..n {
            time[state] = (0..state)
                .map(|from| time[from] * self.rates[from * n + state])
                .sum();
        }
        let whole: f64 = time.iter().sum();
        time.iter_mut().for_each(|it| *it /= whole);
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_birth_and_death_chain_has_its_closed_form() {
        let (up, down) = (1e-7, 3.0);
        let mut rates = Rates::new(8);
        for i in 0..7 {
            rates.add(i, i + 1, up);
            rates.add(i + 1, i, down);
        }
        let time = rates.stationary();
        for i in 0..7 {
            let ratio = time[i + 1] / time[i] / (up / down);
            assert!((ratio - 1.0).abs() < 1e-13, "{i}: {ratio}");
        }
        assert!(time[7] < 1e-50 && time[7] > 0.0);
    }

    #[test]
    fn what_flows_in_flows_out() {
        let n = 9;
        let rate = |a: usize, b: usize| ((a * 31 + b * 17) % 7) as f64 + 0.25;
        let mut rates = Rates::new(n);
        for a in 0..n {
            for b in 0..n {
                if a != b {
                    rates.add(a, b, rate(a, b));
                }
            }
        }
        let time = rates.stationary();
        for a in 0..n {
            let others = || (0..n).filter(|b| *b != a);
            let out: f64 = others().map(|b| time[a] * rate(a, b)).sum();
            let into: f64 = others().map(|b| time[b] * rate(b, a)).sum();
            assert!((out / into - 1.0).abs() < 1e-12);
        }
    }
}
