//! Names whose values are not shown: what a dump says reaches tickets and chats.

/// What is hidden if nothing else is said: patterns in which `*` stands for anything.
pub const SECRETS: [&str; 11] = [
    "*password*",
    "*passwd*",
    "*passphrase*",
    "*secret*",
    "*token*",
    "*authorization*",
    "*apikey*",
    "*cookie*",
    "*privatekey*",
    "*credential*",
    "*accesskey*",
];

/// What stands for a value that is not shown.
pub(super) const HIDDEN: &str = "<redacted>";

/// Patterns of names, in which `*` stands for anything. Small and capital letters are the same, and `-` and `_` do not
/// count: `X-API-Key`, `api_key` and `apiKey` are one name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Redaction {
    patterns: Vec<String>,
}

impl Redaction {
    /// Names that match one of these are hidden.
    pub fn of<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Redaction {
        Redaction { patterns: patterns.into_iter().map(normal).collect() }
    }

    /// True for a name whose value is not shown.
    pub fn matches(&self, name: &str) -> bool {
        if self.patterns.is_empty() {
            return false;
        }
        let name = normal(name);
        self.patterns.iter().any(|pattern| fits(pattern, &name))
    }
}

fn normal(name: &str) -> String {
    name.to_lowercase().replace(['-', '_'], "")
}

/// The pieces between the stars come one after the other.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match name.find(piece) {
            Some(place) => name = &name[place + piece.len()..],
            None => return false,
        }
    }
    name.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets() {
        let redaction = Redaction::of(SECRETS);
        for name in [
            "password",
            "DB_PASSWORD",
            "x-api-key",
            "accessToken",
            "Set-Cookie",
            "client_secret",
            "privateKey",
            "AWSAccessKeyId",
            "API_KEY",
            "access-key",
        ] {
            assert!(redaction.matches(name), "{name}");
        }
        for name in ["user", "pass_", "key", "", "author"] {
            assert!(!redaction.matches(name), "{name}");
        }
        let own = Redaction::of(["card", "a*c*e"]);
        assert_eq!(
            ["card", "cards", "ace", "abcde", "abc"].map(|name| own.matches(name)),
            [true, false, true, true, false]
        );
        assert!(!Redaction::default().matches("password"));
    }
}
