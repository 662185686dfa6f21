//! The hub's own no, told to a subscriber when it comes after the answer (04 §5.2, `WebSub` §5.2).

use super::{percent, topic::TopicUrl};

/// The query of the GET that announces it, to be put behind whatever query the callback has (V21).
///
/// `reason` is for people; empty is as good as none. There is no challenge, and the answer says nothing.
pub fn query(topic: &TopicUrl, reason: Option<&str>) -> String {
    let encode = |text: &str| percent::encode(text.as_bytes(), percent::is_unreserved);
    let mut query = format!("hub.mode=denied&hub.topic={}", encode(topic.as_str()));
    if let Some(reason) = reason.filter(|reason| !reason.is_empty()) {
        query.push_str("&hub.reason=");
        query.push_str(&encode(reason));
    }
    query
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v21_a_denial_names_the_topic_and_perhaps_the_reason() {
        let topic = TopicUrl::parse("http://t/a?b").unwrap();
        assert_eq!(query(&topic, None), "hub.mode=denied&hub.topic=http%3A%2F%2Ft%2Fa%3Fb");
        assert_eq!(query(&topic, Some("")), query(&topic, None));
        assert!(query(&topic, Some("not öpen")).ends_with("&hub.reason=not%20%C3%B6pen"));
    }
}
