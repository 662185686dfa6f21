//! What a delivery brings: its entries, and the proof that some of them carry.

use anyhow::{Context, Result};

use crate::{
    feed::Tree,
    salmon::{Entry, Envelope, LegacyForm, PublicKey},
};

const ATOM: &str = "http://www.w3.org/2005/Atom";
const MAGIC: &str = "http://salmon-protocol.org/ns/magic-env";

/// An entry that came with a delivery.
#[derive(Debug, Clone)]
pub(super) struct News {
    pub(super) id: String,
    /// By the word of the feed.
    pub(super) author: String,
    pub(super) title: String,
    /// The envelope in which its author had sent it, if it is there.
    proof: Option<Envelope>,
}

impl News {
    /// The entries of a feed, newest first.
    pub(super) fn read(body: &[u8]) -> Result<Vec<Self>> {
        let tree = Tree::parse(body)?;
        let feed = tree.root().filter(|root| root.is(ATOM, "feed")).context("it is no Atom feed")?;
        let mut news = Vec::new();
        for entry in feed.all(ATOM, "entry") {
            // Each of our entries declares its own namespaces.
            let text = body.get(entry.range()).context("the entry is outside the feed")?;
            let read = Entry::read(text)?;
            let has_proof = entry.first(MAGIC, "provenance").is_some();
            news.push(Self {
                id: read.id,
                author: read.author.uri.or(read.author.id).unwrap_or_default(),
                title: read.words.title.unwrap_or_default(),
                proof: has_proof.then(|| Envelope::read(text)).transpose()?,
            });
        }
        Ok(news)
    }

    /// Whether whoever has this key signed just this: who wrote it, and which post it is.
    pub(super) fn is_proven_by(&self, key: PublicKey) -> bool {
        let Some(proof) = &self.proof else { return false };
        let signed = Entry::read(proof.payload()).ok();
        let is_this = signed.is_some_and(|signed| {
            signed.id == self.id && signed.author.names().any(|name| name == self.author)
        });
        is_this && proof.verify(&[key], LegacyForm::Refused).is_some()
    }
}
