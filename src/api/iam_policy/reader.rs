//! From JSON to a policy: each element is understood or refused.

use crate::api::iam_policy::Effect;
use crate::api::iam_policy::Listed;
use crate::api::iam_policy::POLICY_BYTES_MAX;
use crate::api::iam_policy::Policy;
use crate::api::iam_policy::PolicyFault;
use crate::api::iam_policy::Statement;
use crate::api::iam_policy::condition::Condition;
use crate::api::iam_policy::condition::Operator;
use crate::api::iam_policy::condition_key::ConditionKey;
use crate::api::iam_policy::pattern::Glob;
use crate::api::iam_policy::pattern::ResourcePattern;
use crate::api::iam_policy::pattern::Variables;
use crate::api::iam_policy::pattern::Wildcards;
use crate::api::iam_policy::principal::Principal;
use crate::api::openapi::json_document;
use crate::api::openapi::node::Member;
use crate::api::openapi::node::Node;
use crate::api::openapi::node::Position;
use crate::api::openapi::node::Value;
use crate::api::openapi::node::shortened;

pub(super) fn read(text: &str, principal: &Principal) -> Result<Policy, PolicyFault> {
    if text.len() > POLICY_BYTES_MAX {
        let found = text.len();
        return Err(fault(
            Position::START,
            format!("found {found} bytes, wanted at most {POLICY_BYTES_MAX}"),
        ));
    }
    let parsed = json_document::parse(text);
    // Which of two values counts is for nobody to guess in a policy.
    if let Some(repeated) = parsed.repeated.into_iter().next() {
        return Err(fault(repeated.position, repeated.message));
    }
    let root = parsed
        .root
        .map_err(|syntax| fault(syntax.position, syntax.message))?;
    let members = members(&root, "a policy: an object")?;
    only(members, &["Version", "Id", "Statement"])?;
    let variables = match root.member("Version") {
        None => Variables::None,
        Some(version) => match text_of(&version.node)? {
            "2012-10-17" => Variables::Of(principal),
            "2008-10-17" => Variables::None,
            _ => return Err(unexpected(&version.node, "2012-10-17 or 2008-10-17")),
        },
    };
    if let Some(id) = root.member("Id") {
        text_of(&id.node)?;
    }
    let statements = &required(&root, "Statement")?.node;
    let statements = match &statements.value {
        Value::Array(nodes) => nodes.iter().collect(),
        _ => vec![statements],
    };
    let statements = statements
        .into_iter()
        .map(|node| statement(node, variables));
    Ok(Policy {
        statements: statements.collect::<Result<_, _>>()?,
    })
}

fn statement(node: &Node, variables: Variables<'_>) -> Result<Statement, PolicyFault> {
    const ELEMENTS: [&str; 7] = [
        "Sid",
        "Effect",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    ];
    only(members(node, "a statement: an object")?, &ELEMENTS)?;
    if let Some(sid) = node.member("Sid") {
        text_of(&sid.node)?;
    }
    let effect = &required(node, "Effect")?.node;
    let effect = match text_of(effect)? {
        "Allow" => Effect::Allow,
        "Deny" => Effect::Deny,
        _ => return Err(unexpected(effect, "Allow or Deny")),
    };
    Ok(Statement {
        effect,
        actions: listed(node, ["Action", "NotAction"], |text| {
            action(text, variables)
        })?,
        resources: listed(node, ["Resource", "NotResource"], |text| {
            ResourcePattern::compile(text, variables)
        })?,
        conditions: match node.member("Condition") {
            Some(condition) => conditions(&condition.node, variables)?,
            None => Vec::new(),
        },
    })
}

/// The patterns of exactly one of two elements.
fn listed<P>(
    statement: &Node,
    [plain, inverted]: [&str; 2],
    compile: impl Fn(&str) -> Result<P, String>,
) -> Result<Listed<P>, PolicyFault> {
    let (member, is_inverted) = match (statement.member(plain), statement.member(inverted)) {
        (Some(member), None) => (member, false),
        (None, Some(member)) => (member, true),
        (Some(_), Some(second)) => {
            let message = format!("found {plain} and {inverted}, wanted one of them");
            return Err(fault(second.position, message));
        }
        (None, None) => {
            let message = format!("found neither {plain} nor {inverted}, wanted one of them");
            return Err(fault(statement.position, message));
        }
    };
    let mut patterns = Vec::new();
    for node in one_or_more(&member.node)? {
        let pattern = compile(text_of(node)?).map_err(|message| fault(node.position, message))?;
        patterns.push(pattern);
    }
    Ok(Listed {
        patterns,
        inverted: is_inverted,
    })
}

/// `*` or `service:name`, in any case.
fn action(text: &str, variables: Variables<'_>) -> Result<Glob, String> {
    let parts = text.split_once(':');
    let named = parts.is_some_and(|(service, name)| !service.is_empty() && !name.is_empty());
    if text != "*" && !named {
        return Err(format!(
            "found `{}`, wanted `*` or service:action",
            shortened(text)
        ));
    }
    Glob::compile(text, Wildcards::Active, variables).map(|glob| glob.to_lower_case())
}

fn conditions(node: &Node, variables: Variables<'_>) -> Result<Vec<Condition>, PolicyFault> {
    let mut conditions = Vec::new();
    for member in members(node, "an object of operators")? {
        let operator = Operator::parse(&member.name).ok_or_else(|| {
            let name = shortened(&member.name);
            fault(
                member.position,
                format!("found the operator `{name}`, which is not enforced here"),
            )
        })?;
        for asked in members(&member.node, "an object of condition keys")? {
            let key = ConditionKey::parse(&asked.name).ok_or_else(|| {
                let name = shortened(&asked.name);
                fault(
                    asked.position,
                    format!("found the condition key `{name}`, which is not known here"),
                )
            })?;
            let values = one_or_more(&asked.node)?;
            let values: Result<Vec<String>, PolicyFault> =
                values.into_iter().map(scalar_of).collect();
            let condition = Condition::compile(operator, key, &values?, variables);
            conditions.push(condition.map_err(|message| fault(asked.node.position, message))?);
        }
    }
    Ok(conditions)
}

fn members<'n>(node: &'n Node, wanted: &str) -> Result<&'n [Member], PolicyFault> {
    match &node.value {
        Value::Object(members) => Ok(members),
        _ => Err(unexpected(node, wanted)),
    }
}

fn only(members: &[Member], known: &[&str]) -> Result<(), PolicyFault> {
    match members
        .iter()
        .find(|member| !known.contains(&member.name.as_str()))
    {
        Some(member) => {
            let (name, wanted) = (shortened(&member.name), known.join(", "));
            let message = format!("found the element `{name}`, wanted {wanted}");
            Err(fault(member.position, message))
        }
        None => Ok(()),
    }
}

fn required<'n>(node: &'n Node, name: &str) -> Result<&'n Member, PolicyFault> {
    node.member(name)
        .ok_or_else(|| fault(node.position, format!("{name} is wanted here")))
}

fn one_or_more(node: &Node) -> Result<Vec<&Node>, PolicyFault> {
    match &node.value {
        Value::Array(nodes) if nodes.is_empty() => Err(unexpected(node, "at least one value")),
        Value::Array(nodes) => Ok(nodes.iter().collect()),
        _ => Ok(vec![node]),
    }
}

fn text_of(node: &Node) -> Result<&str, PolicyFault> {
    match &node.value {
        Value::Text(text) => Ok(text),
        _ => Err(unexpected(node, "a text")),
    }
}

/// A condition value: booleans and numbers count as their texts.
fn scalar_of(node: &Node) -> Result<String, PolicyFault> {
    match &node.value {
        Value::Text(text) | Value::Number(text) => Ok(text.clone()),
        Value::Bool(value) => Ok(value.to_string()),
        _ => Err(unexpected(node, "a text, a number or a boolean")),
    }
}

fn unexpected(node: &Node, wanted: &str) -> PolicyFault {
    let found = node.described();
    fault(node.position, format!("found {found}, wanted {wanted}"))
}

const fn fault(position: Position, message: String) -> PolicyFault {
    PolicyFault { position, message }
}
