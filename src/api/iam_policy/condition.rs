//! `Condition`: operator, key, values (spec 09, "Condition operators").

use std::net::IpAddr;

use crate::api::iam_policy::condition_key::Call;
use crate::api::iam_policy::condition_key::ConditionKey;
use crate::api::iam_policy::pattern::ArnPattern;
use crate::api::iam_policy::pattern::Glob;
use crate::api::iam_policy::pattern::Variables;
use crate::api::iam_policy::pattern::Wildcards;
use crate::wire::date::UnixSeconds;
use crate::wire::date::parse_iso_date;

/// One key under one operator.
#[derive(Debug)]
pub struct Condition {
    operator: Operator,
    key: ConditionKey,
    values: Values,
}

/// An operator with what stands before and behind its name.
#[derive(Clone, Copy, Debug)]
pub struct Operator {
    comparison: Comparison,
    /// `…Not…`: none of the values, and no value at all, will do.
    negated: bool,
    quantifier: Option<Quantifier>,
    if_exists: bool,
}

/// `ForAnyValue:` and `ForAllValues:`. Every key here has one value at most.
#[derive(Clone, Copy, Debug)]
enum Quantifier {
    Any,
    All,
}

#[derive(Clone, Copy, Debug)]
enum Comparison {
    Text {
        wildcards: Wildcards,
        ignores_case: bool,
    },
    Arn,
    Ip,
    Bool,
    Number(Order),
    Date(Order),
    Null,
}

#[derive(Clone, Copy, Debug)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug)]
enum Values {
    Texts(Vec<Glob>),
    Arns(Vec<ArnPattern>),
    Networks(Vec<Network>),
    Bools(Vec<bool>),
    Numbers(Vec<f64>),
    Dates(Vec<UnixSeconds>),
}

/// An address, or the addresses that share its first bits.
#[derive(Clone, Copy, Debug)]
struct Network {
    address: IpAddr,
    prefix_bits: u32,
}

impl Operator {
    /// Reads a name such as `ForAnyValue:StringNotLikeIfExists`; `None` for any other.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (quantifier, name) = match name.split_once(':') {
            Some(("ForAnyValue", name)) => (Some(Quantifier::Any), name),
            Some(("ForAllValues", name)) => (Some(Quantifier::All), name),
            Some(_) => return None,
            None => (None, name),
        };
        let (name, if_exists) = match name.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let (comparison, negated) = comparison(name)?;
        let alone = matches!(comparison, Comparison::Null);
        if alone && (if_exists || quantifier.is_some()) {
            return None;
        }
        Some(Self {
            comparison,
            negated,
            quantifier,
            if_exists,
        })
    }
}

fn comparison(name: &str) -> Option<(Comparison, bool)> {
    let text = |wildcards, ignores_case| Comparison::Text {
        wildcards,
        ignores_case,
    };
    Some(match name {
        "StringEquals" => (text(Wildcards::Literal, false), false),
        "StringNotEquals" => (text(Wildcards::Literal, false), true),
        "StringEqualsIgnoreCase" => (text(Wildcards::Literal, true), false),
        "StringNotEqualsIgnoreCase" => (text(Wildcards::Literal, true), true),
        "StringLike" => (text(Wildcards::Active, false), false),
        "StringNotLike" => (text(Wildcards::Active, false), true),
        "ArnEquals" | "ArnLike" => (Comparison::Arn, false),
        "ArnNotEquals" | "ArnNotLike" => (Comparison::Arn, true),
        "IpAddress" => (Comparison::Ip, false),
        "NotIpAddress" => (Comparison::Ip, true),
        "Bool" => (Comparison::Bool, false),
        "Null" => (Comparison::Null, false),
        _ => {
            let ordered = |rest, kind: fn(Order) -> Comparison| {
                order(rest).map(|(order, negated)| (kind(order), negated))
            };
            return match (name.strip_prefix("Numeric"), name.strip_prefix("Date")) {
                (Some(rest), _) => ordered(rest, Comparison::Number),
                (None, Some(rest)) => ordered(rest, Comparison::Date),
                (None, None) => None,
            };
        }
    })
}

fn order(name: &str) -> Option<(Order, bool)> {
    Some(match name {
        "Equals" => (Order::Equal, false),
        "NotEquals" => (Order::Equal, true),
        "LessThan" => (Order::Less, false),
        "LessThanEquals" => (Order::LessOrEqual, false),
        "GreaterThan" => (Order::Greater, false),
        "GreaterThanEquals" => (Order::GreaterOrEqual, false),
        _ => return None,
    })
}

impl Order {
    fn holds<T: PartialOrd>(self, found: &T, wanted: &T) -> bool {
        match self {
            Self::Equal => found == wanted,
            Self::Less => found < wanted,
            Self::LessOrEqual => found <= wanted,
            Self::Greater => found > wanted,
            Self::GreaterOrEqual => found >= wanted,
        }
    }
}

impl Condition {
    /// Compiles the values that stand under `key`; the error says which one is wrong and what is wanted.
    pub fn compile(
        operator: Operator,
        key: ConditionKey,
        values: &[String],
        variables: Variables<'_>,
    ) -> Result<Self, String> {
        let values = values.iter().map(String::as_str);
        let compiled = match operator.comparison {
            Comparison::Text {
                wildcards,
                ignores_case,
            } => {
                let glob = |text| {
                    let glob = Glob::compile(text, wildcards, variables)?;
                    Ok(if ignores_case {
                        glob.to_lower_case()
                    } else {
                        glob
                    })
                };
                Values::Texts(values.map(glob).collect::<Result<_, String>>()?)
            }
            Comparison::Arn => Values::Arns(
                values
                    .map(|text| ArnPattern::compile(text, variables))
                    .collect::<Result<_, String>>()?,
            ),
            Comparison::Ip => Values::Networks(all(values, network, "an IP address or a range")?),
            Comparison::Bool | Comparison::Null => {
                Values::Bools(all(values, boolean, "true or false")?)
            }
            Comparison::Number(_) => Values::Numbers(all(values, number, "a number")?),
            Comparison::Date(_) => {
                let wanted = "a date as 2026-01-31T00:00:00Z or in seconds since 1970";
                Values::Dates(all(values, date, wanted)?)
            }
        };
        Ok(Self {
            operator,
            key,
            values: compiled,
        })
    }

    /// The key that it reads.
    #[must_use]
    pub const fn key(&self) -> ConditionKey {
        self.key
    }

    /// Whether a call meets it.
    #[must_use]
    pub fn holds(&self, call: &Call<'_>) -> bool {
        let value = self.key.value_of(call);
        if let (Comparison::Null, Values::Bools(wanted)) = (self.operator.comparison, &self.values)
        {
            return wanted.contains(&value.is_none());
        }
        match value {
            Some(value) => self.meets(&value) != self.operator.negated,
            None => match self.operator.quantifier {
                _ if self.operator.if_exists => true,
                Some(Quantifier::All) => true,
                Some(Quantifier::Any) => false,
                None => self.operator.negated,
            },
        }
    }

    /// Whether one of the values fits.
    fn meets(&self, found: &str) -> bool {
        match (&self.values, self.operator.comparison) {
            (
                Values::Texts(globs),
                Comparison::Text {
                    ignores_case: true, ..
                },
            ) => {
                let lower = found.to_ascii_lowercase();
                globs.iter().any(|glob| glob.matches(&lower))
            }
            (Values::Texts(globs), _) => globs.iter().any(|glob| glob.matches(found)),
            (Values::Arns(patterns), _) => patterns.iter().any(|pattern| pattern.matches(found)),
            (Values::Networks(networks), _) => found
                .parse()
                .is_ok_and(|address| networks.iter().any(|network| network.holds(address))),
            (Values::Bools(wanted), _) => {
                boolean(found).is_some_and(|found| wanted.contains(&found))
            }
            (Values::Numbers(wanted), Comparison::Number(order)) => number(found)
                .is_some_and(|found| wanted.iter().any(|wanted| order.holds(&found, wanted))),
            (Values::Dates(wanted), Comparison::Date(order)) => date(found)
                .is_some_and(|found| wanted.iter().any(|wanted| order.holds(&found, wanted))),
            (Values::Numbers(_) | Values::Dates(_), _) => false,
        }
    }
}

fn all<'v, T>(
    values: impl Iterator<Item = &'v str>,
    read: impl Fn(&str) -> Option<T>,
    wanted: &str,
) -> Result<Vec<T>, String> {
    values
        .map(|text| read(text).ok_or_else(|| format!("found `{text}`, wanted {wanted}")))
        .collect()
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Digits with a sign or a fraction; no exponent, `inf` or `nan`.
fn number(text: &str) -> Option<f64> {
    let plain = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    text.bytes().all(plain).then(|| text.parse().ok())?
}

fn date(text: &str) -> Option<UnixSeconds> {
    let seconds = || {
        let digits = text.bytes().try_fold(0u64, |n, byte| {
            let digit = char::from(byte).to_digit(10)?;
            n.checked_mul(10)?.checked_add(u64::from(digit))
        });
        digits.filter(|_| !text.is_empty()).map(UnixSeconds)
    };
    parse_iso_date(text.as_bytes()).or_else(seconds)
}

fn network(text: &str) -> Option<Network> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let bits_max = if address.is_ipv4() { 32 } else { 128 };
    let prefix_bits = match bits {
        Some(bits) if !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit()) => {
            bits.parse().ok()?
        }
        Some(_) => return None,
        None => bits_max,
    };
    (prefix_bits <= bits_max).then_some(Network {
        address,
        prefix_bits,
    })
}

impl Network {
    fn holds(self, address: IpAddr) -> bool {
        let (one, other, bits_max) = match (self.address, address.to_canonical()) {
            (IpAddr::V4(one), IpAddr::V4(other)) => {
                (u128::from(one.to_bits()), u128::from(other.to_bits()), 32)
            }
            (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits(), other.to_bits(), 128),
            _ => return false,
        };
        // Shifting out all 128 bits leaves nothing to differ.
        let differing = (one ^ other)
            .checked_shr(bits_max - self.prefix_bits)
            .unwrap_or(0);
        differing == 0
    }
}
