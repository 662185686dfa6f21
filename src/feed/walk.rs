//! One pass over a document, from which everything there is to know about a feed comes.

use std::ops::Range;

use super::{
    Document, Entry, EntryDigest, Volatile, atom,
    dialect::{Dialect, Level, Role},
    encoding::Source,
    entry::range_within,
    fingerprint::Fingerprint,
    identity::Identity,
    links::{self, Links},
    namespaces::{self, Scope},
    remainder::Remainder,
    rss,
    tag::{self, Attribute, Unreadable},
    text,
    xml::{Event, Kind, Scanner},
};

/// More entries than any feed that a hub should take apart; each costs some fifty bytes of memory.
pub(super) const MOST_ENTRIES: usize = 1 << 18;

/// The feed this is; an error if it is none, or none we can vouch for.
pub(super) fn feed(source: &Source<'_>, volatile: &Volatile) -> Result<Document, Unreadable> {
    let mut scanner = Scanner::new(source);
    let mut walk = Walk::new(source, volatile);
    while let Some(event) = scanner.advance()? {
        walk.step(&event, scanner.attributes())?;
    }
    walk.finish()
}

/// The feed-level element the walk is in, if any.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of these a document")]
enum Inside<'b> {
    /// Between feed-level elements, or outside the root.
    Nothing,
    Entry(OpenEntry<'b>),
    /// Begun at this position.
    Volatile(usize),
    Other,
}

/// An entry being read.
#[derive(Debug)]
struct OpenEntry<'b> {
    start: usize,
    digest: Remainder<'b>,
    identity: Identity<'b>,
    /// Where the volatile element we are in began, and how deep.
    volatile: Option<(usize, usize)>,
}

#[derive(Debug)]
struct Walk<'s, 'b> {
    source: &'s Source<'b>,
    volatile: &'s Volatile,
    scope: Scope<'b>,
    dialect: Option<Dialect>,
    inside: Inside<'b>,
    /// Of the feed-level element we are in.
    depth: usize,
    level: Level,
    channels: usize,
    insert_at: Option<usize>,
    entries: Vec<Entry>,
    links: Links,
    envelope: Remainder<'b>,
    context: Fingerprint,
}

impl<'s, 'b> Walk<'s, 'b> {
    fn new(source: &'s Source<'b>, volatile: &'s Volatile) -> Self {
        let mut walk = Self {
            source,
            volatile,
            scope: Scope::default(),
            dialect: None,
            inside: Inside::Nothing,
            depth: 0,
            level: Level::Root,
            channels: 0,
            insert_at: None,
            entries: Vec::new(),
            links: Links::default(),
            envelope: Remainder::new(source.body, source.start),
            context: Fingerprint::new(),
        };
        walk.add_context(source.label.as_bytes());
        walk.add_context(&[u8::from(source.stands_alone)]);
        // Under another label the same bytes say something else.
        walk.envelope.include(source.label.as_bytes());
        walk
    }

    #[inline]
    fn step(&mut self, event: &Event<'b>, attributes: &[Attribute<'b>]) -> Result<(), Unreadable> {
        match event.kind {
            Kind::Start(name) => {
                self.scope.enter(event.depth, attributes)?;
                self.start(event, name, attributes)
            }
            Kind::End => {
                self.scope.leave(event.depth);
                self.end(event)
            }
            Kind::Doctype => {
                // It may declare entities that entries use.
                self.add_context(self.source.bytes(event.range.clone()));
                Ok(())
            }
            Kind::Space => {
                self.space(event);
                Ok(())
            }
            Kind::Text | Kind::CData => self.text(event),
            Kind::Comment => {
                if matches!(self.inside, Inside::Nothing) {
                    self.envelope.leave_out(event.range.clone());
                }
                Ok(())
            }
            Kind::Instruction => Ok(()),
        }
    }

    fn start(
        &mut self,
        event: &Event<'b>,
        name: &[u8],
        attributes: &[Attribute<'b>],
    ) -> Result<(), Unreadable> {
        let Some(dialect) = &self.dialect else {
            let root = self.scope.element(name);
            self.dialect = Some(Dialect::of_root(root).filter(|_| root.is_declared()).ok_or(Unreadable)?);
            self.add_context(self.source.bytes(event.range.clone()));
            return Ok(());
        };
        match &mut self.inside {
            Inside::Nothing => {}
            Inside::Entry(entry) => {
                // Nearly every element of an entry says nothing to us. Its local name tells so at once; what its prefix
                // stands for takes longer to find out than all else that is done here.
                let local = namespaces::local(name);
                let is_child = event.depth == self.depth.saturating_add(1);
                let may_identify = is_child && dialect.may_identify(local);
                let counts = entry.volatile.is_none();
                let may_be_volatile = counts && self.volatile.may_be_in_entry(local);
                let may_count_replies = counts && local == b"link" && links::leads_to_replies(attributes);
                if may_identify || may_be_volatile || may_count_replies {
                    let name = dialect.canonical(self.scope.element(name));
                    if may_be_volatile && self.volatile.in_entry(name) {
                        entry.volatile = Some((event.range.start, event.depth));
                    } else if may_count_replies && atom::is_link(name) {
                        for attribute in
                            attributes.iter().filter(|attribute| links::counts_replies(attribute))
                        {
                            entry.digest.leave_out(range_within(self.source.body, attribute.value));
                        }
                    }
                    if is_child && let Some(rank) = dialect.identifies(name) {
                        entry.identity.begin(rank);
                    }
                }
                return Ok(());
            }
            Inside::Volatile(_) | Inside::Other => return Ok(()),
        }
        let name = dialect.canonical(self.scope.element(name));
        match dialect.role(self.level, name) {
            Role::Channel => {
                self.channels = self.channels.saturating_add(1);
                self.level = Level::Channel;
                if dialect.entries_lie_at() == Level::Channel {
                    self.add_context(self.source.bytes(event.range.clone()));
                }
            }
            Role::Entry => {
                let mut identity = Identity::default();
                if *dialect == Dialect::Rdf
                    && let Some(about) = self.scope.attribute(attributes, rss::RDF, b"about")
                {
                    identity.offer(rss::ABOUT, text::decoded(about));
                }
                let start = event.range.start;
                let digest = Remainder::new(self.source.body, start);
                self.depth = event.depth;
                self.inside = Inside::Entry(OpenEntry { start, digest, identity, volatile: None });
            }
            Role::Other => {
                if dialect.is_link(name) {
                    self.links.look_at(attributes);
                }
                self.depth = event.depth;
                self.inside = if dialect.is_contents(name) || self.volatile.in_feed(name) {
                    Inside::Volatile(event.range.start)
                } else {
                    Inside::Other
                };
            }
        }
        Ok(())
    }

    fn end(&mut self, event: &Event<'b>) -> Result<(), Unreadable> {
        match &mut self.inside {
            Inside::Nothing => return self.end_level(&event.range),
            Inside::Entry(entry) => entry.end(event, self.depth),
            Inside::Volatile(_) | Inside::Other => {}
        }
        if event.depth > self.depth {
            return Ok(());
        }
        match std::mem::replace(&mut self.inside, Inside::Nothing) {
            Inside::Entry(entry) => {
                if self.entries.len() >= MOST_ENTRIES {
                    return Err(Unreadable);
                }
                let entry = entry.close(event.range.end);
                self.envelope.leave_out(entry.range.clone());
                self.entries.push(entry);
            }
            Inside::Volatile(start) => self.envelope.leave_out(start..event.range.end),
            Inside::Nothing | Inside::Other => {}
        }
        Ok(())
    }

    /// The channel or the root ends.
    fn end_level(&mut self, range: &Range<usize>) -> Result<(), Unreadable> {
        if self.dialect.as_ref().is_some_and(|dialect| dialect.entries_lie_at() == self.level) {
            // An empty-element tag leaves no place for an entry, and is no feed anyone publishes.
            if range.is_empty() {
                return Err(Unreadable);
            }
            self.insert_at = Some(range.start);
        }
        self.level = Level::Root;
        Ok(())
    }

    /// What sets elements apart says nothing. Where a volatile element comes and goes, so does the white space before it.
    fn space(&mut self, event: &Event<'b>) {
        match &mut self.inside {
            Inside::Nothing => self.envelope.leave_out(event.range.clone()),
            Inside::Entry(entry) if event.depth == self.depth => entry.digest.leave_out(event.range.clone()),
            Inside::Entry(entry) => entry.identity.text(self.source.bytes(event.range.clone()), false),
            Inside::Volatile(_) | Inside::Other => {}
        }
    }

    fn text(&mut self, event: &Event<'b>) -> Result<(), Unreadable> {
        let bytes = self.source.bytes(event.range.clone());
        let entry_ends_here = || self.entries.last().is_some_and(|last| last.range.end == event.range.start);
        match (&mut self.inside, event.kind) {
            // With the entry cut out, what stands before it could make this the end of a CDATA section.
            (Inside::Nothing, Kind::Text)
                if (bytes.starts_with(b">") || bytes.starts_with(b"]>")) && entry_ends_here() =>
            {
                return Err(Unreadable);
            }
            (Inside::Nothing, Kind::Text) => {
                leave_out_spaces(&mut self.envelope, event.range.start, bytes);
            }
            (Inside::Entry(entry), Kind::CData) => {
                let inner = bytes.strip_prefix(b"<![CDATA[").and_then(|rest| rest.strip_suffix(b"]]>"));
                entry.identity.text(inner.unwrap_or_default(), false);
            }
            (Inside::Entry(entry), _) => entry.identity.text(bytes, true),
            (Inside::Nothing | Inside::Volatile(_) | Inside::Other, _) => {}
        }
        Ok(())
    }

    fn add_context(&mut self, part: &[u8]) {
        self.context.add_part(part);
    }

    fn finish(self) -> Result<Document, Unreadable> {
        let dialect = self.dialect.ok_or(Unreadable)?;
        if self.channels != dialect.channels() {
            return Err(Unreadable);
        }
        let insert_at = match self.entries.last() {
            Some(entry) => entry.range.end,
            None => self.insert_at.ok_or(Unreadable)?,
        };
        Ok(Document {
            format: dialect.format(),
            entries: self.entries,
            envelope: self.envelope.finish(self.source.body.len()).into(),
            context: self.context.into(),
            self_link: self.links.own,
            hub_links: self.links.hubs,
            link_base: self.links.base,
            insert_at,
        })
    }
}

impl OpenEntry<'_> {
    /// An element of this entry ends, or the entry itself.
    fn end(&mut self, event: &Event<'_>, depth: usize) {
        if let Some((start, volatile_depth)) = self.volatile
            && event.depth == volatile_depth
        {
            self.digest.leave_out(start..event.range.end);
            self.volatile = None;
        }
        if event.depth == depth.saturating_add(1) {
            self.identity.end();
        }
    }

    fn close(self, end: usize) -> Entry {
        let digest = EntryDigest::from(self.digest.finish(end));
        Entry { id: self.identity.settle(digest), digest, range: self.start..end }
    }
}

/// Text between feed-level elements has no business there. What is no white space counts; cutting out an entry joins
/// the text on its sides, so that each space is left out by itself.
fn leave_out_spaces(envelope: &mut Remainder<'_>, start: usize, bytes: &[u8]) {
    let mut at = start;
    for run in bytes.chunk_by(|&a, &b| tag::is_space(a) == tag::is_space(b)) {
        let end = at.saturating_add(run.len());
        if run.first().is_some_and(|&b| tag::is_space(b)) {
            envelope.leave_out(at..end);
        }
        at = end;
    }
}
