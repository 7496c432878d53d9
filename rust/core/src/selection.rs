//! Which executions to take, and which worker gets them. Pure functions over plain numbers.
//!
//! Both look at everything at once, so limits per group and turns between groups can be added here alone.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A due execution. `group` is its workflow (or key); nothing depends on it yet but the order of equals.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    pub group: u32,
    pub priority: i64,
    pub run_at: i64,
}

/// The indices of at most `slots` candidates: larger priority first, then the older `run_at`, then as given.
pub fn select(candidates: &[Candidate], slots: usize) -> Vec<usize> {
    let rank = |index: &usize| (Reverse(candidates[*index].priority), candidates[*index].run_at, *index);
    let mut chosen: Vec<usize> = (0..candidates.len()).collect();
    if slots == 0 {
        return Vec::new();
    }
    if slots < chosen.len() {
        chosen.select_nth_unstable_by_key(slots - 1, rank);
        chosen.truncate(slots);
    }
    chosen.sort_unstable_by_key(rank);
    chosen
}

/// The worker of each run, or None: the least loaded that may hold one more.
///
/// `loads[w]` runs are on worker w, none of which allows more than `limits[w]` there; `caps[r]` is the most
/// runs, itself included, that run r allows on its worker. A placed run counts for those after it.
pub fn assign(loads: &[i64], limits: &[i64], caps: &[i64]) -> Vec<Option<usize>> {
    let mut open: BinaryHeap<Reverse<(i64, usize)>> =
        loads.iter().enumerate().map(|(worker, load)| Reverse((*load, worker))).collect();
    let mut limits = limits.to_vec();
    caps.iter()
        .map(|cap| {
            loop {
                let Reverse((load, worker)) = open.pop()?;
                if load + 1 > limits[worker] {
                    // Loads only grow and limits only shrink: this worker is out for good.
                    continue;
                }
                if load + 1 > *cap {
                    // It is the least loaded, so no other has room for this run either.
                    open.push(Reverse((load, worker)));
                    return None;
                }
                limits[worker] = limits[worker].min(*cap);
                open.push(Reverse((load + 1, worker)));
                return Some(worker);
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random and are the same in every run.
    fn numbers(seed: u64) -> impl FnMut(u64) -> u64 {
        let mut state = seed;
        move |below| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        }
    }

    #[test]
    fn selection_agrees_with_sorting_everything() {
        for seed in 0..300 {
            let mut number = numbers(seed);
            let count = number(40);
            let candidates: Vec<Candidate> = (0..count)
                .map(|_| Candidate { group: 0, priority: number(4) as i64 - 2, run_at: number(5) as i64 })
                .collect();
            let mut sorted: Vec<usize> = (0..candidates.len()).collect();
            sorted.sort_by_key(|index| (-candidates[*index].priority, candidates[*index].run_at));
            for slots in 0..45 {
                let expected: Vec<usize> = sorted.iter().copied().take(slots).collect();
                assert_eq!(select(&candidates, slots), expected, "seed {seed}");
            }
        }
    }

    fn assign_naively(loads: &[i64], limits: &[i64], caps: &[i64]) -> Vec<Option<usize>> {
        let (mut loads, mut limits) = (loads.to_vec(), limits.to_vec());
        caps.iter()
            .map(|cap| {
                let fits = |worker: &usize| loads[*worker] < limits[*worker].min(*cap);
                let worker = (0..loads.len()).filter(fits).min_by_key(|worker| loads[*worker])?;
                loads[worker] += 1;
                limits[worker] = limits[worker].min(*cap);
                Some(worker)
            })
            .collect()
    }

    #[test]
    fn assignment_agrees_with_trying_every_worker() {
        for seed in 0..2000 {
            let mut number = numbers(seed);
            let workers = number(6);
            let loads: Vec<i64> = (0..workers).map(|_| number(5) as i64).collect();
            let limits: Vec<i64> = (0..workers).map(|_| number(8) as i64).collect();
            let caps: Vec<i64> = (0..number(20)).map(|_| number(8) as i64).collect();
            assert_eq!(assign(&loads, &limits, &caps), assign_naively(&loads, &limits, &caps), "seed {seed}");
        }
    }

    #[test]
    fn a_run_that_must_be_alone_gets_an_empty_worker_and_keeps_others_away() {
        assert_eq!(assign(&[0, 1], &[8, 8], &[1, 1, 8, 2]), vec![Some(0), None, Some(1), None]);
    }
}
