//! The story, step by step: each step does something at one site and waits until the other site shows it.

use std::{io::Write, sync::Arc};

use anyhow::{Result, ensure};

use super::{
    activity::{Activity, Object},
    discovery::{self, Contact},
    site::{Draft, Site},
    stage::Stage,
    teller::Teller,
    told::Told,
};
use crate::salmon::{Verb, discovery::AccountKind};

const ALICE: &str = "alice";
const DORA: &str = "dora";
const GARDENERS: &str = "gardeners";
const BOB: &str = "bob";
const CAROL: &str = "carol";

/// The sites, and what they have learned of each other so far.
#[derive(Debug)]
pub(super) struct Story<'s, W> {
    teller: &'s mut Teller<W>,
    garden: Arc<Site>,
    harbour: Arc<Site>,
}

/// Bob's acquaintance with Alice.
struct Acquaintance {
    alice: Contact,
    /// Bob's subscription to her feed.
    bobs: String,
    /// Carol's, who has followed Alice for longer.
    carols: String,
}

impl<'s, W: Write> Story<'s, W> {
    pub(super) fn new(teller: &'s mut Teller<W>, stage: &Stage) -> Self {
        Self { teller, garden: Arc::clone(&stage.garden), harbour: Arc::clone(&stage.harbour) }
    }

    pub(super) async fn play(mut self) -> Result<()> {
        self.open().await?;
        let acquaintance = self.follow().await?;
        let post = self.post(&acquaintance).await?;
        self.answer(&acquaintance, &post).await?;
        self.group().await?;
        self.unfollow(acquaintance).await
    }

    async fn open(&mut self) -> Result<()> {
        let Self { teller, garden, harbour } = self;
        teller.step("Two sites open, with a hub and its relay beside them")?;
        let opened = teller.check(
            "the Garden has Alice, Dora and the group Gardeners; the relay makes their keys",
            async {
                garden.open(AccountKind::Person, ALICE, "Alice").await?;
                garden.open(AccountKind::Person, DORA, "Dora").await?;
                garden.open(AccountKind::Group, GARDENERS, "Gardeners").await
            },
        );
        opened.await?;
        let opened = teller.check("the Harbour has Bob and Carol", async {
            harbour.open(AccountKind::Person, BOB, "Bob").await?;
            harbour.open(AccountKind::Person, CAROL, "Carol").await
        });
        opened.await
    }

    async fn follow(&mut self) -> Result<Acquaintance> {
        let Self { teller, garden, harbour } = self;
        let address = garden.account(ALICE)?.address();
        // The hub knows a feed from the first time that it has news for somebody.
        let carols = teller.check("Carol follows Alice, and reads Alice's first post", async {
            let alice = discovery::find(&harbour.http, &address).await?;
            let carols = harbour.subscribe(CAROL, &alice).await?;
            harbour.until_in(&carols, |known| known.is_active().then_some(())).await?;
            let post = garden.post(ALICE, Draft::saying("The seedlings are up.")).await?;
            has_come(harbour, &carols, &post).await?;
            Ok(carols)
        });
        let carols = carols.await?;

        teller.step("Bob finds Alice, and follows her")?;
        let what = format!("Bob types {address}, and his site finds her by WebFinger");
        let alice = teller.check(&what, discovery::find(&harbour.http, &address)).await?;
        teller.note(&format!("feed   {}", alice.feed))?;
        teller.note(&format!("hub    {}", alice.hub))?;
        teller.note(&format!("salmon {}", alice.salmon))?;
        let bobs =
            teller.check("his site subscribes to her feed, and the hub verifies that it wants to", async {
                let bobs = harbour.subscribe(BOB, &alice).await?;
                harbour.until_in(&bobs, |known| known.is_active().then_some(())).await?;
                Ok(bobs)
            });
        let bobs = bobs.await?;
        let told =
            teller.check("his follow swims up to her: a signed slap, verified, told to her site", async {
                slap(harbour, Verb::Follow, "Bob follows Alice", &alice).await?;
                is_told(garden, ALICE, "follow", &harbour.account(BOB)?.address()).await
            });
        told.await?;
        Ok(Acquaintance { alice, bobs, carols })
    }

    async fn post(&mut self, acquaintance: &Acquaintance) -> Result<Activity> {
        let Self { teller, garden, harbour } = self;
        teller.step("Alice posts, and her site pings the hub")?;
        let post = garden.post(ALICE, Draft::saying("Who wants tomatoes?"));
        let post = teller.check("her feed has a second entry", post).await?;
        let read = teller.check("the hub sends Bob's site, signed, just the new one", async {
            has_come(harbour, &acquaintance.bobs, &post).await?;
            let got = news_ids(harbour, &acquaintance.bobs);
            ensure!(got == [post.id.as_str()], "Bob got {got:?}");
            Ok(())
        });
        read.await?;
        Ok(post)
    }

    async fn answer(&mut self, acquaintance: &Acquaintance, post: &Activity) -> Result<()> {
        let Self { teller, garden, harbour } = self;
        teller.step("Bob replies, and favors the post")?;
        let bob = harbour.account(BOB)?;
        let alice = &acquaintance.alice;
        let told = teller.check("his reply is in his own feed, and Alice is told of it", async {
            let reply = Draft::saying("I do!").in_reply_to(&post.id).to(alice.kind, &alice.uri);
            let reply = harbour.post(BOB, reply).await?;
            harbour.relay.slap(&bob, &alice.address, reply.entry(&bob)).await?;
            is_told(garden, ALICE, "post", &bob.address()).await
        });
        let told = told.await?;
        ensure_about(&told, post)?;
        let told = teller.check("his favorite is hers to see as well", async {
            let object = Object::Post { id: post.id.clone() };
            let draft = Draft::saying("Bob likes a post by Alice").to(alice.kind, &alice.uri);
            let favorite = harbour.act(Verb::Favorite, object, draft);
            harbour.relay.slap(&bob, &alice.address, favorite.entry(&bob)).await?;
            is_told(garden, ALICE, "favorite", &bob.address()).await
        });
        let told = told.await?;
        ensure_about(&told, post)
    }

    async fn group(&mut self) -> Result<()> {
        let Self { teller, garden, harbour } = self;
        teller.step("Bob joins the Gardeners, and posts to them")?;
        let (bob, dora) = (harbour.account(BOB)?, garden.account(DORA)?);
        let address = garden.account(GARDENERS)?.address();
        let found = discovery::find(&harbour.http, &address);
        let group =
            teller.check("his site finds the group, whose members and feed the relay keeps", found).await?;
        ensure!(group.kind == AccountKind::Group, "it says of itself that it is no group");
        let joined = teller.check("he joins, and the relay lets him in at once; Dora joins, too", async {
            for (site, member) in [(&*harbour, &bob), (&*garden, &dora)] {
                let object = somebody(&group);
                let text = format!("{} joins {}", member.name, group.name);
                let join = site.act(Verb::Join, object, Draft::saying(&text));
                site.relay.slap(member, &group.address, join.entry(member)).await?;
                is_told(garden, GARDENERS, "join", &member.address()).await?;
            }
            Ok(())
        });
        joined.await?;
        let subscribed = teller.check("both sites subscribe to the group's feed", async {
            let (bobs, doras) =
                (harbour.subscribe(BOB, &group).await?, garden.subscribe(DORA, &group).await?);
            harbour.until_in(&bobs, |known| known.is_active().then_some(())).await?;
            garden.until_in(&doras, |known| known.is_active().then_some(())).await?;
            Ok((bobs, doras))
        });
        let (bobs, doras) = subscribed.await?;
        let posted =
            teller.check("Bob's post reaches both through the hub, by way of the group's feed", async {
                let draft = Draft::saying("Who has spare trays?").to(AccountKind::Group, &group.uri);
                let post = harbour.post(BOB, draft).await?;
                harbour.relay.slap(&bob, &group.address, post.entry(&bob)).await?;
                has_come(harbour, &bobs, &post).await?;
                has_come(garden, &doras, &post).await?;
                Ok(post)
            });
        let post = posted.await?;
        let proven = teller.check(
            "and carries the proof that he wrote it, for Dora's site to verify with his key",
            async {
                let key = discovery::key(&garden.http, &bob.address()).await?;
                let proven = garden.until_in(&doras, |known| {
                    let news = known.news().find(|news| news.id == post.id)?;
                    Some(news.is_proven_by(key.clone()))
                });
                ensure!(proven.await?, "what came with it proves nothing");
                Ok(())
            },
        );
        proven.await
    }

    async fn unfollow(&mut self, acquaintance: Acquaintance) -> Result<()> {
        let Self { teller, garden, harbour } = self;
        let Acquaintance { alice, bobs, carols } = acquaintance;
        teller.step("Bob unfollows Alice")?;
        let told = teller.check("Alice is told", async {
            slap(harbour, Verb::Unfollow, "Bob no longer follows Alice", &alice).await?;
            is_told(garden, ALICE, "unfollow", &harbour.account(BOB)?.address()).await
        });
        told.await?;
        let ended = teller.check("his site unsubscribes, and the hub verifies that it wants to", async {
            harbour.unsubscribe(&bobs).await?;
            harbour.until_in(&bobs, |known| known.has_ended().then_some(())).await
        });
        ended.await?;
        let silent = teller.check("what Alice posts now reaches Carol, and Bob no more", async {
            let before = news_ids(harbour, &bobs);
            // The second has come to Carol only when the fan-out of the first has ended.
            for text in ["The tomatoes are gone.", "The beans are next."] {
                let post = garden.post(ALICE, Draft::saying(text)).await?;
                has_come(harbour, &carols, &post).await?;
            }
            let after = news_ids(harbour, &bobs);
            ensure!(before == after, "Bob got {after:?}");
            Ok(())
        });
        silent.await
    }
}

/// Bob does something to somebody, which only they are told.
async fn slap(harbour: &Site, verb: Verb, text: &str, whom: &Contact) -> Result<()> {
    let bob = harbour.account(BOB)?;
    let activity = harbour.act(verb, somebody(whom), Draft::saying(text));
    harbour.relay.slap(&bob, &whom.address, activity.entry(&bob)).await
}

fn somebody(contact: &Contact) -> Object {
    Object::Somebody { kind: contact.kind, uri: contact.uri.clone(), name: contact.name.clone() }
}

/// Waits until a post has come by a subscription.
async fn has_come(site: &Site, subscription: &str, post: &Activity) -> Result<()> {
    site.until_in(subscription, |known| known.news().any(|news| news.id == post.id).then_some(())).await
}

fn news_ids(site: &Site, subscription: &str) -> Vec<String> {
    site.look(|state| {
        let known = state.subscriptions.iter().filter(|known| known.id == subscription);
        known.flat_map(|known| known.news().map(|news| news.id.clone())).collect()
    })
}

/// Waits until somebody is told that somebody did something to them.
async fn is_told(site: &Site, nick: &str, verb: &str, by: &str) -> Result<Told> {
    let by = format!("acct:{by}");
    let told = site.until(|state| {
        let mut told = state.told.iter();
        told.find(|told| told.nick == nick && told.verb == verb && told.from == by).cloned()
    });
    told.await
}

fn ensure_about(told: &Told, post: &Activity) -> Result<()> {
    ensure!(told.about.as_deref() == Some(&post.id), "what Alice was told is about {:?}", told.about);
    Ok(())
}
