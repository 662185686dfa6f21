//! `hubbub demo`: what the project is for, played on one machine in a few seconds and checked at every step.
//!
//! A hub with its relay runs in this process, and beside it two small sites as the sites of OStatus are: people with pages
//! and Atom feeds, a subscriber side, and a callback for what the relay verified. The sites talk to the hub and the relay
//! over HTTP alone, as neighbours and strangers would, so that the story shows nothing that a site could not do.
//!
//! | File | What |
//! |---|---|
//! | `stage` | starts and stops it all |
//! | `story`, `teller` | what is played; what is told of it, and the runner of its checks |
//! | `site`, `account`, `activity` | a site, who lives there, and what they do, as Atom |
//! | `subscriber`, `news` | what it hears from the hub |
//! | `told`, `neighbour` | what it hears from the relay, and asks of it |
//! | `discovery`, `fetching` | whom it looks up at other sites |
//! | `web`, `pages`, `proxy` | what it serves: pages, callbacks, and the paths that are the relay's |
//!
//! The sites keep everything in memory and bound little: nobody but the hub on loopback talks to them. No example for a
//! site on the Internet, but for the order of its conversations.

mod account;
mod activity;
mod discovery;
mod fetching;
mod neighbour;
mod news;
mod pages;
mod proxy;
mod site;
mod stage;
mod story;
mod subscriber;
mod teller;
mod told;
mod web;

use std::io::Write;

use anyhow::{Result, bail};

use stage::Stage;
use story::Story;
pub use teller::StepFailed;
use teller::Teller;

/// How the story is told.
#[derive(Debug, Clone, Copy)]
pub struct Telling {
    pub colours: bool,
    /// Whether everything is left running afterwards, to be looked at.
    pub keep: bool,
}

/// Plays the story until its end, or until `interrupted`; the first check that fails is the error.
pub async fn play(out: impl Write, telling: Telling, interrupted: impl Future<Output = ()>) -> Result<()> {
    let mut teller = Teller::new(out, telling.colours);
    let stage = Stage::set().await?;
    let played = tokio::select! {
        played = Box::pin(told(&mut teller, &stage, telling.keep)) => played,
        () = interrupted => Ok(false),
    };
    let struck = stage.strike().await;
    let is_over = played?;
    struck?;
    if is_over || telling.keep { Ok(()) } else { bail!("interrupted before the end of the story") }
}

/// Returns whether the story came to its end; with `keep` it stays there.
async fn told<W: Write>(teller: &mut Teller<W>, stage: &Stage, keep: bool) -> Result<bool> {
    teller.say("A hub with its relay and two sites, all on this machine.\n")?;
    teller.say(&format!("  hub          {}", stage.hub_url()))?;
    teller.say(&format!("  the Garden   http://{}/", stage.garden.domain))?;
    teller.say(&format!("  the Harbour  http://{}/", stage.harbour.domain))?;
    Story::new(teller, stage).play().await?;
    teller.say("\nThe loop is closed: every step was checked at the site that it should reach.")?;
    if keep {
        teller.say(&format!(
            "\nEverything goes on running until Ctrl-C; the hub's dashboard is {}",
            stage.dashboard()
        ))?;
        std::future::pending::<()>().await;
    }
    Ok(true)
}
