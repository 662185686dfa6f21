//! Who did something: an author, an actor, or a person or group as an object, with the profile in Portable Contacts.

use std::borrow::Cow;

use serde::Serialize;

use super::{ACTIVITY, ATOM, POCO, text_of, verb};
use crate::feed::Element;

const MEDIA: &str = "http://purl.org/syndication/atommedia";
/// Pictures, pages and addresses of one person that are passed on.
const MOST: usize = 16;

/// A person or a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Person {
    /// `person`, `group`, or another word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// As Atom has it: most often the nickname.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Their pages for people; normally one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub profiles: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred_username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<ProfileUrl>,
    /// The largest first is the habit; the order is kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub avatars: Vec<Picture>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Picture>,
}

/// An address of a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProfileUrl {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    pub value: String,
    pub primary: bool,
}

/// A picture of a profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Picture {
    pub href: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
}

impl Person {
    pub(in crate::salmon) fn read(element: Element<'_>) -> Self {
        let atom = |local| text_of(element, ATOM, local);
        let poco = |local| text_of(element, POCO, local);
        let mut person = Self {
            kind: text_of(element, ACTIVITY, "object-type").map(|kind| verb::object_type(&kind)),
            id: atom("id"),
            uri: atom("uri"),
            email: atom("email"),
            name: atom("name").or_else(|| atom("title")),
            preferred_username: poco("preferredUsername"),
            display_name: poco("displayName"),
            note: poco("note"),
            location: element.first(POCO, "address").and_then(|address| text_of(address, POCO, "formatted")),
            ..Self::default()
        };
        for url in element.all(POCO, "urls").take(MOST) {
            if let Some(value) = text_of(url, POCO, "value") {
                let primary = text_of(url, POCO, "primary").as_deref() == Some("true");
                person.urls.push(ProfileUrl { kind: text_of(url, POCO, "type"), value, primary });
            }
        }
        for link in element.all(ATOM, "link") {
            let Some(href) = link.attribute("href").filter(|href| !href.trim().is_empty()) else { continue };
            let href = href.trim().to_owned();
            let rel = link.attribute("rel");
            let pictures = match rel.as_deref().map_or("alternate", str::trim) {
                "alternate" => {
                    // All of them: whoever acts on one more than was looked at would act for somebody else.
                    person.profiles.push(href);
                    continue;
                }
                "avatar" => &mut person.avatars,
                "header" => &mut person.headers,
                _ => continue,
            };
            if pictures.len() < MOST {
                let number =
                    |local| link.attribute_of(MEDIA, local).and_then(|value| value.trim().parse().ok());
                pictures.push(Picture {
                    href,
                    media_type: link.attribute("type").map(Cow::into_owned),
                    width: number("width"),
                    height: number("height"),
                });
            }
        }
        person
    }

    /// Every name it goes by, as written.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let one = [&self.uri, &self.id].into_iter().flatten();
        one.chain(&self.profiles).chain(&self.email).map(String::as_str)
    }
}
