//! An example site: who lives there, what they did, whom they follow, and what they were told. Kept in memory.
//!
//! Whatever reaches the site changes its [`State`], and every change wakes whoever waits for it ([`Site::until`]).

use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::sync::watch;

use super::{
    account::Account,
    activity::{self, Activity, Object},
    neighbour::Neighbour,
    subscriber::Subscription,
    told::Told,
};
use crate::{
    app::Seams,
    client::{Hub, publish_form},
    salmon::{Verb, discovery::AccountKind},
};

/// A site.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) title: &'static str,
    /// Its host and port.
    pub(super) domain: String,
    pub(super) hub: Hub,
    /// What its feeds name as their hub.
    pub(super) hub_url: String,
    /// The relay that carries its accounts.
    pub(super) relay: Neighbour,
    pub(super) http: reqwest::Client,
    pub(super) seams: Seams,
    state: watch::Sender<State>,
}

/// What a site knows.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) accounts: Vec<Account>,
    /// What its people did, by their nicknames, oldest first.
    pub(super) posts: Vec<(&'static str, Activity)>,
    /// Who follows whom of ours, as their site said; and who is a member of a group of ours.
    pub(super) followers: Vec<(&'static str, String)>,
    /// What the relay told, oldest first.
    pub(super) told: Vec<Told>,
    pub(super) subscriptions: Vec<Subscription>,
    /// The last number that was given to anything.
    number: u32,
}

impl State {
    pub(super) fn account(&self, nick: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.nick == nick)
    }

    /// What somebody did, newest first.
    pub(super) fn posts_of(&self, nick: &str) -> Vec<&Activity> {
        self.posts.iter().rev().filter(|(author, _)| *author == nick).map(|(_, post)| post).collect()
    }

    fn next_number(&mut self) -> u32 {
        self.number = self.number.saturating_add(1);
        self.number
    }
}

impl Site {
    pub(super) fn new(
        title: &'static str,
        domain: String,
        hub_url: String,
        relay: Neighbour,
        seams: Seams,
    ) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            title,
            domain,
            hub: Hub::at(hub_url.parse().context("the hub's URL")?)?,
            hub_url,
            relay,
            http: crate::client::http_client()?,
            seams,
            state: watch::Sender::new(State::default()),
        }))
    }

    /// Changes what the site knows and wakes everybody who waits.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> Option<R> {
        let mut result = None;
        self.state.send_modify(|state| result = Some(change(state)));
        result
    }

    /// Looks at what the site knows now.
    pub(super) fn look<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.state.borrow())
    }

    /// Waits until `find` finds something in what the site knows.
    pub(super) async fn until<R>(&self, mut find: impl FnMut(&State) -> Option<R>) -> Result<R> {
        let mut found = None;
        let mut changes = self.state.subscribe();
        let seen = changes.wait_for(|state| {
            found = find(state);
            found.is_some()
        });
        drop(seen.await.context("the site has ended")?);
        found.context("it was there a moment ago")
    }

    /// Takes somebody in: the relay gets to know them, and says where slaps for them go.
    pub(super) async fn open(&self, kind: AccountKind, nick: &'static str, name: &'static str) -> Result<()> {
        let secret = crate::client::SecretText::new(self.seams.random.challenge());
        let number = self.change(State::next_number).unwrap_or_default();
        let domain = self.domain.clone();
        let mut account = Account { kind, nick, name, number, domain, secret, salmon: None };
        account.salmon = Some(self.relay.put_account(&account).await?);
        self.change(|state| state.accounts.push(account));
        Ok(())
    }

    pub(super) fn account(&self, nick: &str) -> Result<Account> {
        let account = self.look(|state| state.account(nick).cloned());
        account.with_context(|| format!("nobody at {} is called {nick}", self.domain))
    }

    /// The feed of somebody; that of a group is the relay's to make.
    pub(super) fn feed(&self, nick: &str) -> Option<String> {
        self.look(|state| {
            let account = state.account(nick).filter(|account| account.kind == AccountKind::Person)?;
            Some(activity::feed(account, &self.hub_url, &state.posts_of(nick)))
        })
    }

    /// Somebody says something: it is in their feed, and the hub is told that the feed has news.
    pub(super) async fn post(&self, nick: &'static str, draft: Draft) -> Result<Activity> {
        let author = self.account(nick)?;
        let post = self.drafted("notice", Verb::Post, draft);
        self.change(|state| state.posts.push((author.nick, post.clone())));
        self.hub.send(publish_form(&[author.feed()])).await.context("the ping")?;
        Ok(post)
    }

    /// Somebody does something to somebody or something, which is in no feed: only whom it concerns hears of it.
    pub(super) fn act(&self, verb: Verb, object: Object, draft: Draft) -> Activity {
        Activity { object: Some(object), ..self.drafted("activity", verb, draft) }
    }

    fn drafted(&self, path: &str, verb: Verb, draft: Draft) -> Activity {
        let number = self.change(State::next_number).unwrap_or_default();
        Activity {
            // Under our own host and never used twice, as peers demand.
            id: format!("http://{}/{path}/{number}", self.domain),
            verb,
            title: draft.text.clone(),
            text: draft.text,
            moment: self.seams.clock.now(),
            object: None,
            in_reply_to: draft.in_reply_to,
            attention: draft.attention,
        }
    }
}

/// What somebody wants to say.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) text: String,
    pub(super) in_reply_to: Option<String>,
    pub(super) attention: Vec<(String, AccountKind)>,
}

impl Draft {
    pub(super) fn saying(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }

    pub(super) fn to(self, kind: AccountKind, uri: &str) -> Self {
        Self { attention: vec![(uri.to_owned(), kind)], ..self }
    }

    pub(super) fn in_reply_to(self, id: &str) -> Self {
        Self { in_reply_to: Some(id.to_owned()), ..self }
    }
}
