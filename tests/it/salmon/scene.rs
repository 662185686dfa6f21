//! A hub with the accounts and the authors of the vectors: what is known of these is put into its store while it rests, as
//! their hosts end in `.example` and cannot be asked.

use std::{fs, path::Path, time::Duration};

use hubbub::{
    clock::{Clock as _, SystemClock},
    protocol::{NameId, Secret},
    salmon::{Descriptor, Identity, PrivateKey, seal},
    store::{
        Account, AccountKind, Commit, ForwardMode, KnownDescriptor, Life, Membership, RelayRecord, Store,
        StoreOptions,
    },
};

use crate::harness::{Answer, Callback, Settings, Stage};

pub(super) const SECRET: &str = "s3cret";
pub(super) const ENVELOPE: &str = "application/magic-envelope+xml";

/// A file of the vectors.
pub(super) fn fixture(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/salmon").join(path))
        .unwrap()
}

/// A hub with these accounts, which knows bob and mallory.
pub(super) struct Scene {
    pub(super) stage: Stage,
}

impl Scene {
    pub(super) async fn set(accounts: impl FnOnce(&Stage) -> Vec<Account>) -> Self {
        Self::set_with(settings(), accounts).await
    }

    pub(super) async fn set_with(settings: Settings, accounts: impl FnOnce(&Stage) -> Vec<Account>) -> Self {
        Self::set_knowing(settings, "indep-2048", accounts).await
    }

    /// Where this is known as bob's key.
    pub(super) async fn set_knowing(
        settings: Settings,
        key: &str,
        accounts: impl FnOnce(&Stage) -> Vec<Account>,
    ) -> Self {
        let mut stage = Stage::set_with(settings).await;
        stage.hub.end().await;
        let mut commit = Commit::new();
        for account in accounts(&stage) {
            commit.push(RelayRecord::AccountPut(id(&account.name), account));
        }
        for nick in ["bob", "mallory"] {
            let mut descriptor =
                Descriptor::read(fixture(&format!("discovery/{nick}.xrd.xml")).as_bytes()).unwrap();
            for link in
                descriptor.links.iter_mut().filter(|link| nick == "bob" && link.rel == "magic-public-key")
            {
                let magic = fixture(&format!("keys/{key}.magic"));
                link.href = Some(format!("data:application/magic-public-key,{}", magic.trim()));
            }
            for name in descriptor.identities() {
                let fetched_at = SystemClock::default().now();
                let known = KnownDescriptor {
                    descriptor: descriptor.clone(),
                    fetched_at,
                    refreshed_at: Some(fetched_at),
                };
                commit.push(RelayRecord::DescriptorPut(name.id(), known));
            }
        }
        let path = stage.hub.data();
        let store =
            Store::open(&StoreOptions { path, cache_bytes: 16 << 20, gather: Duration::ZERO }).unwrap();
        store.commit(commit).await.unwrap();
        store.close().await;
        drop(store);
        stage.hub.restart().await;
        Self { stage }
    }

    /// Slaps an account.
    pub(super) async fn slap(&self, account: &str, envelope: impl Into<String>) -> Answer {
        self.slap_as(account, Some(ENVELOPE), envelope).await
    }

    pub(super) async fn slap_as(
        &self,
        account: &str,
        media_type: Option<&str>,
        envelope: impl Into<String>,
    ) -> Answer {
        let url = self.stage.hub.at(&format!("/salmon/{account}@alice.example"));
        self.stage.hub.client().send("POST", &url, media_type, envelope.into()).await
    }
}

pub(super) fn settings() -> Settings {
    Settings::quick()
        .with("salmon", "retry", vec!["50ms"; 16])
        .with("salmon", "slaps_per_second", 1000)
        .with("salmon", "slaps_per_author_per_minute", 1000)
        .with("salmon", "http_hosts", vec!["127.0.0.1"])
}

pub(super) fn id(name: &str) -> NameId {
    Identity::parse(name).unwrap().id()
}

/// Alice of the vectors, told at this callback.
pub(super) fn alice(callback: &Callback) -> Account {
    Account { callback: Some(callback.url()), ..alice_untold() }
}

/// Whose site is told nothing.
pub(super) fn alice_untold() -> Account {
    Account {
        kind: AccountKind::Person,
        posts: vec!["tag:alice.example,".to_owned()],
        ..account("alice", "user/7", "alice")
    }
}

/// The group of the vectors.
pub(super) fn gardeners(callback: Option<&Callback>, members: Option<Membership>) -> Account {
    Account {
        kind: AccountKind::Group,
        callback: callback.map(Callback::url),
        members,
        ..account("gardeners", "group/3", "group/gardeners")
    }
}

fn account(nick: &str, path: &str, page: &str) -> Account {
    Account {
        name: format!("acct:{nick}@alice.example"),
        kind: AccountKind::default(),
        uri: format!("https://alice.example/{path}"),
        profile: format!("https://alice.example/{page}"),
        feed: format!("https://alice.example/feed/{path}.atom"),
        aliases: Vec::new(),
        display_name: nick.to_owned(),
        callback: None,
        secret: Some(Secret::new(SECRET.into()).unwrap()),
        mode: ForwardMode::Json,
        posts: Vec::new(),
        accept_unaddressed: false,
        blocked: Vec::new(),
        members: None,
        removed_at: None,
        life: Life::default(),
    }
}

/// Somebody who signs.
pub(super) struct Author {
    pub(super) uri: String,
    pub(super) email: String,
    key: PrivateKey,
}

impl Author {
    pub(super) fn bob() -> Self {
        Self::of("https://bob.example/user/1", "bob@bob.example", "indep-2048")
    }

    pub(super) fn mallory() -> Self {
        Self::of("https://mallory.example/user/666", "mallory@mallory.example", "mallory-2048")
    }

    pub(super) fn of(uri: &str, email: &str, key: &str) -> Self {
        let key = PrivateKey::import(&fixture(&format!("keys/{key}.keypair"))).unwrap();
        Self { uri: uri.to_owned(), email: email.to_owned(), key }
    }

    /// The link of a descriptor to the key.
    pub(super) fn key_href(&self) -> String {
        self.key.public().to_href()
    }

    /// A signed activity: a verb, an id and whatever else is in the entry.
    pub(super) fn signs(&self, verb: &str, id: &str, rest: &str) -> String {
        let (uri, email) = (&self.uri, &self.email);
        let entry = format!(
            "<entry xmlns=\"http://www.w3.org/2005/Atom\" xmlns:activity=\"http://activitystrea.ms/spec/1.0/\" \
             xmlns:ostatus=\"http://ostatus.org/schema/1.0\"><id>{id}</id><title>t</title>\
             <activity:verb>{verb}</activity:verb><author><uri>{uri}</uri><email>{email}</email><name>n</name></author>\
             <content>c</content>{rest}</entry>"
        );
        seal(entry.as_bytes(), &self.key).unwrap().to_xml()
    }

    /// A follow of alice, or its end.
    pub(super) fn follow(&self, verb: &str, id: &str, updated: Option<&str>) -> String {
        let updated = updated.map_or(String::new(), |at| format!("<updated>{at}</updated>"));
        let object = "<activity:object><activity:object-type>http://activitystrea.ms/schema/1.0/person\
                      </activity:object-type><id>https://alice.example/user/7</id></activity:object>";
        self.signs(verb, id, &format!("{updated}{object}"))
    }

    /// A post that mentions this.
    pub(super) fn post(&self, id: &str, mentioned: &str) -> String {
        let link = format!("<link rel=\"mentioned\" href=\"{mentioned}\"/>");
        self.signs("http://activitystrea.ms/schema/1.0/post", id, &link)
    }
}

pub(super) const FOLLOW: &str = "http://activitystrea.ms/schema/1.0/follow";
pub(super) const UNFOLLOW: &str = "http://ostatus.org/schema/1.0/unfollow";
