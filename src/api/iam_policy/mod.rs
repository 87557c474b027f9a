//! IAM policies: of identities and roles, and the resource policy of an API (spec 09, "Authorization"). Compiled at load,
//! evaluated without a clock.
//!
//! Whatever a policy says that is not understood here is a fault of the policy: nothing is passed over.

pub mod condition;
pub mod condition_key;
pub mod pattern;
pub mod principal;
pub mod principal_pattern;
mod reader;
pub mod s3_values;

use crate::api::iam_policy::condition::Condition;
use crate::api::iam_policy::condition_key::Call;
use crate::api::iam_policy::condition_key::ConditionKey;
use crate::api::iam_policy::pattern::Glob;
use crate::api::iam_policy::pattern::ResourcePattern;
use crate::api::iam_policy::principal::Principal;
use crate::api::iam_policy::principal_pattern::PrincipalPattern;
use crate::api::openapi::node::Node;
use crate::api::openapi::node::Position;

/// The action of a call to a method.
pub const INVOKE: &str = "execute-api:Invoke";

/// Bytes of a policy. IAM counts 6,144 characters without blanks.
pub const POLICY_BYTES_MAX: usize = 64 * 1024;

/// Why a text is no policy that can be enforced here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFault {
    /// Where in the text.
    pub position: Position,
    /// What was found and what is wanted.
    pub message: String,
}

/// What a policy says to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Allowed, and denied nowhere.
    Allowed,
    /// No statement speaks of it.
    Silent,
    /// Denied by a statement.
    Denied,
}

/// The policy of one principal, whose own variables are filled in, or of an API.
#[derive(Debug)]
pub struct Policy {
    statements: Vec<Statement>,
}

#[derive(Debug)]
struct Statement {
    effect: Effect,
    /// Of whom it speaks: in resource policies alone.
    principals: Option<Listed<PrincipalPattern>>,
    actions: Listed<Glob>,
    resources: Listed<ResourcePattern>,
    conditions: Vec<Condition>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Allow,
    Deny,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Debug)]
struct Listed<P> {
    patterns: Vec<P>,
    /// All but these.
    inverted: bool,
}

impl<P> Listed<P> {
    fn covers(&self, matches: impl Fn(&P) -> bool) -> bool {
        self.patterns.iter().any(matches) != self.inverted
    }
}

impl Policy {
    /// Reads the policy of `principal`.
    ///
    /// # Errors
    /// The text is no JSON, no policy, or has an element that is not enforced here.
    pub fn parse(text: &str, principal: &Principal) -> Result<Self, PolicyFault> {
        reader::read(text, principal)
    }

    /// Reads the resource policy of the API `api_id`.
    ///
    /// # Errors
    /// Every statement that is none, or has an element that is not enforced here; never empty.
    pub fn of_api(node: &Node, api_id: &str) -> Result<Self, Vec<PolicyFault>> {
        reader::read_resource_policy(node, api_id)
    }

    /// What it says to a call; a denial anywhere comes first.
    #[must_use]
    pub fn decide(&self, call: &Call<'_>) -> Decision {
        let mut decision = Decision::Silent;
        let action = call.action.to_ascii_lowercase();
        let speaks = |one: &&Statement| one.speaks_of(&action, call);
        for statement in self.statements.iter().filter(speaks) {
            match statement.effect {
                Effect::Deny => return Decision::Denied,
                Effect::Allow => decision = Decision::Allowed,
            }
        }
        decision
    }

    /// Whether a condition reads `key`.
    #[must_use]
    pub fn reads(&self, key: ConditionKey) -> bool {
        let mut conditions = self.statements.iter().flat_map(|one| &one.conditions);
        conditions.any(|condition| condition.key() == key)
    }
}

impl Statement {
    /// `action` in small letters.
    fn speaks_of(&self, action: &str, call: &Call<'_>) -> bool {
        self.actions.covers(|pattern| pattern.matches(action))
            && self
                .principals
                .as_ref()
                .is_none_or(|listed| listed.covers(|pattern| pattern.matches(call.principal)))
            && self
                .resources
                .covers(|pattern| pattern.matches(call.resource))
            && self
                .conditions
                .iter()
                .all(|condition| condition.holds(call))
    }
}

#[cfg(test)]
mod tests;
