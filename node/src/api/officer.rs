//! Who is at the other end of the socket, and for which office that person acts.
//!
//! The kernel names the Unix user of a connection; `[officers]` names the officer and the office of
//! that user. Anybody else may read and send, but makes no level above L2. Called by `routes`.

use std::{collections::BTreeMap, path::Path};

use cbm_proto::event::Officer;

use super::failure::{Code, Failure};

/// The duty list: Unix user, by name or by number, to officer and office.
#[derive(Clone, Default)]
pub struct Duty {
    by_user: BTreeMap<String, Officer>,
}

impl Duty {
    /// From the configuration.
    #[must_use]
    pub const fn new(by_user: BTreeMap<String, Officer>) -> Self {
        Self { by_user }
    }

    /// The officer of a Unix user.
    ///
    /// # Errors
    /// Nobody is named for the user: policy refuses.
    pub fn officer(&self, uid: u32) -> Result<Officer, Failure> {
        let number = uid.to_string();
        let found = self.by_user.get(&number).cloned();
        let found = found.or_else(|| self.by_user.get(&user_name(uid)?).cloned());
        found.ok_or_else(|| {
            Failure::new(
                Code::Refused,
                "the letter is untouched",
                format!("the Unix user {uid} is not listed under [officers] in the configuration"),
                "have the operator add the user with officer and office, then restart the node",
            )
        })
    }
}

/// The Unix user that this process runs as, as `[officers]` would name it.
#[must_use]
pub fn me() -> String {
    user(rustix::process::getuid().as_raw())
}

/// A Unix user by name, or by number where the machine's own list has none.
#[must_use]
pub fn user(uid: u32) -> String {
    user_name(uid).unwrap_or_else(|| uid.to_string())
}

/// The name of a user in the machine's own list; users from elsewhere are listed by number.
fn user_name(uid: u32) -> Option<String> {
    let list = std::fs::read_to_string(Path::new("/etc/passwd")).ok()?;
    list.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn officer(name: &str) -> Officer {
        Officer { name: name.to_owned(), office: "duty desk".to_owned() }
    }

    #[test]
    fn a_user_is_found_by_number_and_by_name_and_nobody_else_is() {
        let listed = [("4242".to_owned(), officer("A")), ("root".to_owned(), officer("R"))];
        let duty = Duty::new(BTreeMap::from(listed));
        assert_eq!(duty.officer(4242).unwrap().name, "A");
        assert_eq!(duty.officer(0).unwrap().name, "R");
        let refused = duty.officer(4243).err().unwrap();
        assert_eq!((refused.code, refused.code.exit()), (Code::Refused, 3));
    }
}
