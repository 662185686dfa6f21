//! XRD 1.0, as a descriptor and as a host-meta.

use super::{Descriptor, DescriptorFault, DescriptorLink, MAGIC_KEY_PROPERTY};
use crate::feed::{Tree, TreeFault};

const XRD: &str = "http://docs.oasis-open.org/ns/xri/xrd-1.0";
const HOST_META: &str = "http://host-meta.net/xrd/1.0";

pub(super) fn read(body: &[u8]) -> Result<Descriptor, DescriptorFault> {
    let tree = Tree::parse(body).map_err(|fault| match fault {
        TreeFault::Doctype => DescriptorFault::Doctype,
        TreeFault::Malformed => DescriptorFault::NoXml,
        TreeFault::TooMuch => DescriptorFault::TooLarge,
    })?;
    let root = tree.root().filter(|root| root.is(XRD, "XRD")).ok_or(DescriptorFault::NoXrd)?;
    let text = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let mut descriptor = Descriptor::default();
    for child in root.children() {
        if child.is(XRD, "Subject") {
            // The first counts, so that what stands behind cannot change whose document this is.
            descriptor.subject = descriptor.subject.or_else(|| text(child.text()));
        } else if child.is(XRD, "Alias") {
            descriptor.aliases.extend(text(child.text()));
        } else if child.is(XRD, "Link") {
            let attribute = |name| child.attribute(name).and_then(|value| text(&value));
            descriptor.links.push(DescriptorLink {
                rel: attribute("rel").unwrap_or_default(),
                media_type: attribute("type"),
                href: attribute("href"),
                template: attribute("template"),
            });
        } else if child.is(HOST_META, "Host") {
            descriptor.hosts.extend(text(child.text()));
        } else if child.is(XRD, "Property") && child.attribute("type").as_deref() == Some(MAGIC_KEY_PROPERTY)
        {
            descriptor.property_keys.extend(text(child.text()));
        }
    }
    Ok(descriptor)
}
