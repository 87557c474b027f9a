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
use crate::api::iam_policy::principal_pattern::PrincipalPattern;
use crate::api::openapi::json_document;
use crate::api::openapi::node::Member;
use crate::api::openapi::node::Node;
use crate::api::openapi::node::Position;
use crate::api::openapi::node::Value;
use crate::api::openapi::node::shortened;

/// Whose policy it is, as far as that changes what may stand in it.
#[derive(Clone, Copy)]
enum Kind<'p> {
    /// Of this principal: `Principal` is not wanted, its variables are filled in.
    Identity(&'p Principal),
    /// Of the API with this id: `Principal` is wanted, resources are methods of this API.
    Api(&'p str),
}

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
    let read = policy(&root, Kind::Identity(principal));
    read.map_err(|mut faults| faults.swap_remove(0))
}

pub(super) fn read_resource_policy(root: &Node, api_id: &str) -> Result<Policy, Vec<PolicyFault>> {
    policy(root, Kind::Api(api_id))
}

/// The faults of all statements, never none.
fn policy(root: &Node, kind: Kind<'_>) -> Result<Policy, Vec<PolicyFault>> {
    let (variables, nodes) = frame(root, kind).map_err(|fault| vec![fault])?;
    let (mut statements, mut faults) = (Vec::with_capacity(nodes.len()), Vec::new());
    for node in nodes {
        match statement(node, kind, variables) {
            Ok(statement) => statements.push(statement),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() {
        Ok(Policy { statements })
    } else {
        Err(faults)
    }
}

/// What stands around the statements: how `${…}` is read in them, and where they are.
fn frame<'n, 'p>(
    root: &'n Node,
    kind: Kind<'p>,
) -> Result<(Variables<'p>, Vec<&'n Node>), PolicyFault> {
    let members = members(root, "a policy: an object")?;
    only(members, &["Version", "Id", "Statement"])?;
    let variables = match root.member("Version") {
        None => Variables::None,
        Some(version) => match (text_of(&version.node)?, kind) {
            ("2012-10-17", Kind::Identity(principal)) => Variables::Of(principal),
            ("2012-10-17", Kind::Api(_)) => Variables::Refused,
            ("2008-10-17", _) => Variables::None,
            _ => return Err(unexpected(&version.node, "2012-10-17 or 2008-10-17")),
        },
    };
    if let Some(id) = root.member("Id") {
        text_of(&id.node)?;
    }
    let statements = &required(root, "Statement")?.node;
    let statements = match &statements.value {
        Value::Array(nodes) => nodes.iter().collect(),
        _ => vec![statements],
    };
    Ok((variables, statements))
}

fn statement(
    node: &Node,
    kind: Kind<'_>,
    variables: Variables<'_>,
) -> Result<Statement, PolicyFault> {
    const ELEMENTS: [&str; 9] = [
        "Principal",
        "NotPrincipal",
        "Sid",
        "Effect",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    ];
    let known = match kind {
        Kind::Identity(_) => ELEMENTS.get(2..).unwrap_or_default(),
        Kind::Api(_) => &ELEMENTS,
    };
    only(members(node, "a statement: an object")?, known)?;
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
        principals: match kind {
            Kind::Identity(_) => None,
            Kind::Api(_) => Some(principals(node)?),
        },
        actions: listed(node, ["Action", "NotAction"], |text| {
            action(text, variables)
        })?,
        resources: listed(node, ["Resource", "NotResource"], |text| match kind {
            Kind::Identity(_) => ResourcePattern::compile(text, variables),
            Kind::Api(api_id) => ResourcePattern::compile_for_api(text, api_id, variables),
        })?,
        conditions: match node.member("Condition") {
            Some(condition) => conditions(&condition.node, kind, variables)?,
            None => Vec::new(),
        },
    })
}

/// `Principal` or `NotPrincipal`: `"*"` or `{"AWS": …}`.
fn principals(statement: &Node) -> Result<Listed<PrincipalPattern>, PolicyFault> {
    let (member, inverted) = one_of(statement, ["Principal", "NotPrincipal"])?;
    if matches!(&member.node.value, Value::Text(text) if text == "*") {
        let patterns = vec![PrincipalPattern::Anybody];
        return Ok(Listed { patterns, inverted });
    }
    let named = members(&member.node, "`*` or an object with the name `AWS`")?;
    only(named, &["AWS"])?;
    let mut patterns = Vec::new();
    for node in one_or_more(&required(&member.node, "AWS")?.node)? {
        let pattern = PrincipalPattern::parse(text_of(node)?);
        patterns.push(pattern.map_err(|message| fault(node.position, message))?);
    }
    Ok(Listed { patterns, inverted })
}

/// The patterns of exactly one of two elements.
fn listed<P>(
    statement: &Node,
    names: [&str; 2],
    compile: impl Fn(&str) -> Result<P, String>,
) -> Result<Listed<P>, PolicyFault> {
    let (member, inverted) = one_of(statement, names)?;
    let mut patterns = Vec::new();
    for node in one_or_more(&member.node)? {
        let pattern = compile(text_of(node)?).map_err(|message| fault(node.position, message))?;
        patterns.push(pattern);
    }
    Ok(Listed { patterns, inverted })
}

/// The one of two elements that is there, and whether it is the second.
fn one_of<'n>(
    statement: &'n Node,
    [plain, inverted]: [&str; 2],
) -> Result<(&'n Member, bool), PolicyFault> {
    match (statement.member(plain), statement.member(inverted)) {
        (Some(member), None) => Ok((member, false)),
        (None, Some(member)) => Ok((member, true)),
        (Some(_), Some(second)) => {
            let message = format!("found {plain} and {inverted}, wanted one of them");
            Err(fault(second.position, message))
        }
        (None, None) => {
            let message = format!("found neither {plain} nor {inverted}, wanted one of them");
            Err(fault(statement.position, message))
        }
    }
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

fn conditions(
    node: &Node,
    kind: Kind<'_>,
    variables: Variables<'_>,
) -> Result<Vec<Condition>, PolicyFault> {
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
            let key = ConditionKey::parse(&asked.name);
            // Calls of methods have no value for a key of S3: such a condition is a mistake.
            let key = key.filter(|key| matches!(kind, Kind::Identity(_)) || !key.is_of_s3());
            let key = key.ok_or_else(|| {
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
