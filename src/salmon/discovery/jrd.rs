//! JSON resource descriptors (RFC 7033), and the JSON form of a host-meta (RFC 6415).

use serde::Deserialize;
use serde_json::Value;

use super::{Descriptor, DescriptorFault, DescriptorLink, MAGIC_KEY_PROPERTY};

#[derive(Deserialize)]
struct Written {
    subject: Option<String>,
    #[serde(default)]
    aliases: Option<Vec<String>>,
    #[serde(default)]
    links: Option<Vec<Link>>,
    #[serde(default)]
    properties: Option<serde_json::Map<String, Value>>,
    /// The draft's own list.
    #[serde(default)]
    magic_keys: Option<Vec<Key>>,
}

#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    rel: String,
    #[serde(rename = "type")]
    media_type: Option<String>,
    href: Option<String>,
    template: Option<String>,
}

#[derive(Deserialize)]
struct Key {
    value: String,
}

pub(super) fn read(body: &[u8]) -> Result<Descriptor, DescriptorFault> {
    let written: Written = serde_json::from_slice(body).ok().ok_or(DescriptorFault::NoJrd)?;
    let property = written.properties.as_ref().and_then(|all| all.get(MAGIC_KEY_PROPERTY)?.as_str());
    let mut property_keys: Vec<String> = property.into_iter().map(str::to_owned).collect();
    property_keys.extend(written.magic_keys.unwrap_or_default().into_iter().map(|key| key.value));
    let links = written.links.unwrap_or_default().into_iter().map(|link| DescriptorLink {
        rel: link.rel,
        media_type: link.media_type,
        href: link.href,
        template: link.template,
    });
    Ok(Descriptor {
        subject: written.subject.filter(|subject| !subject.is_empty()),
        aliases: written.aliases.unwrap_or_default(),
        links: links.collect(),
        hosts: Vec::new(),
        property_keys,
    })
}
