//! The forms a publisher and a subscriber send to a hub (0.3 §6.1, §7.1; `WebSub` §5.1).

use url::form_urlencoded::Serializer;

use super::SecretText;

/// What is asked for a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Subscribe,
    Unsubscribe,
}

impl Mode {
    /// As `hub.mode` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Subscribe => "subscribe",
            Self::Unsubscribe => "unsubscribe",
        }
    }
}

/// `hub.verify` of 0.3: whether the hub verifies before or after its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum VerifyMode {
    Sync,
    Async,
}

/// A request to subscribe or unsubscribe.
#[derive(Debug, Clone)]
pub struct SubscriptionForm {
    pub mode: Mode,
    /// As it was typed.
    pub topic: String,
    /// As it was typed.
    pub callback: String,
    pub secret: Option<SecretText>,
    pub lease_seconds: Option<u64>,
    /// Makes it a request of 0.3.
    pub verify: Option<VerifyMode>,
    pub verify_token: Option<SecretText>,
}

impl SubscriptionForm {
    /// The body, as `application/x-www-form-urlencoded`.
    pub fn encode(&self) -> String {
        let mut form = Serializer::new(String::new());
        form.append_pair("hub.mode", self.mode.as_str());
        form.append_pair("hub.topic", &self.topic);
        form.append_pair("hub.callback", &self.callback);
        if let Some(secret) = &self.secret {
            form.append_pair("hub.secret", secret.expose());
        }
        if let Some(seconds) = self.lease_seconds {
            form.append_pair("hub.lease_seconds", &seconds.to_string());
        }
        match self.verify {
            Some(VerifyMode::Sync) => drop(form.append_pair("hub.verify", "sync")),
            Some(VerifyMode::Async) => drop(form.append_pair("hub.verify", "async")),
            None => {}
        }
        if let Some(token) = &self.verify_token {
            form.append_pair("hub.verify_token", token.expose());
        }
        form.finish()
    }
}

/// The body of a ping for some topics.
///
/// Each is named as `hub.url`, as 0.3 has it, and as `hub.topic`, the only name that some hubs of today read (P01).
pub fn publish_form(topics: &[String]) -> String {
    let mut form = Serializer::new(String::new());
    form.append_pair("hub.mode", "publish");
    for topic in topics {
        form.append_pair("hub.url", topic);
        form.append_pair("hub.topic", topic);
    }
    form.finish()
}

#[cfg(test)]
mod tests {
    use url::form_urlencoded::parse;

    use super::*;

    fn decoded(body: &str) -> Vec<(String, String)> {
        parse(body.as_bytes()).into_owned().collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn a_subscription_is_sent_exactly_as_it_was_typed() {
        let form = SubscriptionForm {
            mode: Mode::Subscribe,
            topic: "HTTP://Example.org/a b?q=%7e&r".to_owned(),
            callback: "http://me.example/cb?a=1+2".to_owned(),
            secret: Some(SecretText::new("s&cret")),
            lease_seconds: Some(3600),
            verify: Some(VerifyMode::Sync),
            verify_token: Some(SecretText::new("t")),
        };
        let expected = vec![
            pair("hub.mode", "subscribe"),
            pair("hub.topic", "HTTP://Example.org/a b?q=%7e&r"),
            pair("hub.callback", "http://me.example/cb?a=1+2"),
            pair("hub.secret", "s&cret"),
            pair("hub.lease_seconds", "3600"),
            pair("hub.verify", "sync"),
            pair("hub.verify_token", "t"),
        ];
        assert_eq!(decoded(&form.encode()), expected);
    }

    #[test]
    fn what_was_not_asked_for_is_not_sent() {
        let form = SubscriptionForm {
            mode: Mode::Unsubscribe,
            topic: "http://a.example/".to_owned(),
            callback: "http://b.example/".to_owned(),
            secret: None,
            lease_seconds: None,
            verify: None,
            verify_token: None,
        };
        let names: Vec<_> = decoded(&form.encode()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["hub.mode", "hub.topic", "hub.callback"]);
    }

    #[test]
    fn a_ping_names_each_topic_in_both_ways() {
        let body = publish_form(&["http://a.example/".to_owned(), "http://b.example/".to_owned()]);
        let expected = vec![
            pair("hub.mode", "publish"),
            pair("hub.url", "http://a.example/"),
            pair("hub.topic", "http://a.example/"),
            pair("hub.url", "http://b.example/"),
            pair("hub.topic", "http://b.example/"),
        ];
        assert_eq!(decoded(&body), expected);
    }
}
