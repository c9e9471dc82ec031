//! What is announced by CAPA (RFC 2449 §5, §6).

use sasl::Mechanism;

use super::{
    Authentication, Session,
    state::{Channel, Standing},
};

/// What the machine can in any state.
const ALWAYS: [&str; 8] =
    ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER", "UTF8 USER", "LANG"];

impl Session {
    pub(super) fn say_capabilities(&mut self) {
        let mut lines: Vec<String> = ALWAYS.into_iter().map(Into::into).collect();
        if let Authentication::By(mechanisms) = self.offers.auth {
            if mechanisms.has(Mechanism::Plain) {
                lines.push("USER".into());
            }
            if !mechanisms.is_empty() {
                let names: Vec<&str> = mechanisms.iter().map(Mechanism::name).collect();
                lines.push(format!("SASL {}", names.join(" ")));
            }
        }
        if self.can_secure() {
            lines.push("STLS".into());
        }
        if let Some(seconds) = self.config.login_delay_seconds {
            lines.push(format!("LOGIN-DELAY {seconds}"));
        }
        lines.push(format!("IMPLEMENTATION {}", self.config.software));
        self.say("+OK Capabilities follow");
        for line in &lines {
            self.say(line);
        }
        self.say(".");
    }

    /// Whether STLS can be carried out: RFC 2595 §4, before the login only.
    pub(super) fn can_secure(&self) -> bool {
        self.offers.stls && self.channel == Channel::Clear && matches!(self.standing, Standing::Stranger(_))
    }
}
