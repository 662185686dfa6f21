//! kill -9 at random moments of a mixed load, again and again over one store: whatever was acknowledged is kept, nobody
//! misses a publication or gets them out of order, and repeats are bounded (promises 1 to 4; D16, D22, P02, S27, V16).
//!
//! `HUBBUB_KILLS=200` makes it a long run (with `--profile campaign`), `HUBBUB_SEED` repeats one.

mod checks;
mod load;
mod model;

use std::{fs, time::Duration};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::time::{Instant, sleep};

use self::{load::Load, model::Round};
use crate::harness::{Program, Settings, Stage, wanted};

/// `[delivery] batch`.
const BATCH: usize = 8;
/// How often the store is verified.
const VERIFIED_EVERY: usize = 10;

/// Says how to repeat a run that fails.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("repeat this with HUBBUB_SEED={}", self.0);
        }
    }
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_however_often_it_is_killed() {
    let kills = usize::try_from(wanted("HUBBUB_KILLS", 20)).unwrap();
    let seed = Seed(wanted("HUBBUB_SEED", rand::random()));
    let mut rng = StdRng::seed_from_u64(seed.0);
    // The store compacts itself in most runs, and is killed in the midst of it in some.
    let settings = Settings::quick().with("delivery", "batch", i64::try_from(BATCH).unwrap()).with(
        "storage",
        "compact_above",
        "1MiB",
    );
    let mut stage = Stage::set_with(settings).await;
    let began = Instant::now();
    let (mut killed, mut repeats, mut acknowledged) = (0, 0, 0);
    for number in 0.. {
        if killed >= kills {
            break;
        }
        let round = Round::set(&stage, number).await;
        let load = Load::of(&stage, rng.random());
        // The moment is what is drawn, so here time itself is the event.
        let moment = sleep(Duration::from_millis(rng.random_range(0..300)));
        let hub = &mut stage.hub;
        let (mut round, ()) = tokio::join!(load.run(round), async {
            moment.await;
            hub.kill_9();
        });
        let mut of_round = 1;
        stage.hub.restart().await;
        // And in the middle of what it does about that.
        while rng.random_ratio(1, 3) {
            sleep(Duration::from_millis(rng.random_range(0..150))).await;
            stage.hub.kill_9();
            of_round += 1;
            stage.hub.restart().await;
        }
        acknowledged += round.acknowledged();
        let repeated = round.is_made_good(&stage).await;
        let bound = of_round * round.repeats_at_most(BATCH);
        assert!(repeated <= bound, "{repeated} repeats after {of_round} kills, at most {bound} are due");
        repeats += repeated;
        killed += of_round;
        if number % VERIFIED_EVERY == VERIFIED_EVERY - 1 {
            verify(&mut stage).await;
        }
    }
    verify(&mut stage).await;
    let compacted = fs::read_to_string(stage.hub.data().join("generation")).unwrap_or_default();
    let compacted = compacted.split_whitespace().next().unwrap_or_default();
    assert!(!compacted.is_empty(), "its store has never compacted itself");
    eprintln!(
        "{killed} kills in {:?} (seed {}): {acknowledged} requests acknowledged, none lost; {repeats} repeats; compacted \
         {compacted} times",
        began.elapsed(),
        seed.0
    );
}

/// The store holds together, every row of it.
async fn verify(stage: &mut Stage) {
    stage.hub.end().await;
    let said = Program::run(stage.hub.home(), &["store", "verify", "--data", "data"]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    stage.hub.restart().await;
}
