"""What the service answers: one set of types for HTTP, gRPC and the OpenAPI document.

They are typed dictionaries: ``orjson`` and the constructors of protobuf messages take them as they are, so that a type
costs a request nothing. A field that is added here is in all three, or a test says where it is missing.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, NotRequired, final

from pydantic import Discriminator, Field, Tag
from typing_extensions import TypedDict  # pydantic reads no other before Python 3.12

from housing_assets.inference.declaration import PriceKind

Identifier = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Share = Annotated[float, Field(ge=0, le=1)]
HealthStatus = Literal["healthy", "degraded", "failing"]


class Tier(StrEnum):
    """Where a model comes from, the preferred source first: two aliases of the registry, the bento, the rule."""

    PRODUCTION = "production"
    STAGING = "staging"
    BAKED = "baked"
    RULE = "rule"


class Problem(TypedDict):
    """Why a request is not answered: a problem details object (RFC 9457)."""

    type: Annotated[
        str, Field(description="One for each kind of error: `urn:housing-price-platform:invalid` and so on.")
    ]
    title: str
    status: Annotated[int, Field(description="The HTTP status.")]
    detail: str
    errors: Annotated[list["FieldProblem"], Field(description="What is wrong with which field.")]


class FieldProblem(TypedDict):
    """What is wrong with one field of a request."""

    field: str
    value: Annotated[str, Field(description="What was sent; its beginning, where it is long.")]
    message: str


class Band(TypedDict):
    """The prices that a category stands for; the lowest has no `above`, the highest no `up_to`."""

    above: float | None
    up_to: float | None
    currency: Annotated[str, Field(description="ISO 4217.")]
    price_kind: Annotated[
        PriceKind | None, Field(description="Null where the listing says it, or the version does not know it.")
    ]


class Interval(TypedDict):
    """Prices that the true one lies between as often as it is said."""

    low: float
    high: float


class Estimate(TypedDict):
    """What a listing is worth."""

    price: Annotated[float, Field(description="As many prices of listings like it are above as below.")]
    interval_50: Annotated[Interval, Field(description="Holds half of the prices of such listings.")]
    interval_80: Annotated[Interval, Field(description="Holds four fifths of them.")]
    forecast_deviation: Annotated[
        float, Field(description="Share of the estimate that 68 % of the prices differ from it by at most.")
    ]
    currency: Annotated[str, Field(description="ISO 4217.")]


@final
class Answer(TypedDict):
    """The category of one listing, and its price where the model estimates it."""

    prediction_id: Annotated[Identifier, Field(description="UUID, to send feedback with.")]
    price_category: str
    probabilities: Annotated[dict[str, Share], Field(description="By category; they sum to 1.")]
    band: Annotated[Band | None, Field(description="Null where the categories are no bands of a price.")]
    model_version: str
    tier: Tier
    unseen: Annotated[list[str], Field(description="Fields with a text that no training listing had.")]
    estimate: Annotated[Estimate | None, Field(description="Null where there is none.")]
    no_estimate: Annotated[str | None, Field(description="Why there is no estimate.")]


class Contribution(TypedDict):
    """What one field of a listing adds to its answer, whether something was said in it or not."""

    column: str
    probabilities: Annotated[dict[str, float], Field(description="What is added to that of each category.")]
    price_factor: Annotated[
        float | None, Field(description="What the price is multiplied by; null where none is estimated.")
    ]


class Difference(TypedDict):
    """A value in which a comparable listing differs from the one that was asked about."""

    column: str
    name: Annotated[str, Field(description="Of the value that is read from the column.")]
    theirs: Annotated[float | str | None, Field(description="Null where nothing is said.")]
    asked: float | str | None


class Comparable(TypedDict):
    """A listing that the model learned from."""

    similarity: Annotated[Share, Field(description="Share of the trees that lead it to the same leaf.")]
    price: Annotated[float, Field(description="In the currency of the estimate.")]
    adjusted_price: Annotated[
        float | None, Field(description="As of the asked listing's day; null without a price index.")
    ]
    dated: Annotated[str | None, Field(description="The day of the price, ISO 8601.")]
    differences: list[Difference]


@final
class Explanation(TypedDict):
    """The category and the price of one listing, with the reasons."""

    price_category: str
    probabilities: Annotated[dict[str, Share], Field(description="By category; they sum to 1.")]
    band: Annotated[Band | None, Field(description="Null where the categories are no bands of a price.")]
    model_version: str
    tier: Tier
    unseen: Annotated[list[str], Field(description="Fields with a text that no training listing had.")]
    estimate: Annotated[Estimate | None, Field(description="Null where there is none.")]
    no_estimate: Annotated[str | None, Field(description="Why there is no estimate.")]
    method: Annotated[
        Literal["exact", "path"] | None,
        Field(description="Shapley values, or what each step down the trees changes; null without contributions."),
    ]
    no_contributions: Annotated[str | None, Field(description="Why there are no contributions.")]
    base_probabilities: Annotated[
        dict[str, float], Field(description="Where nothing is known; with all contributions, the probabilities.")
    ]
    base_price: Annotated[
        float | None, Field(description="Where nothing is known; times all factors and the remainder, the estimate.")
    ]
    remainder_factor: Annotated[
        float | None, Field(description="Between what the contributions come to and the estimate, a median.")
    ]
    contributions: Annotated[
        list[Contribution], Field(description="The largest first, those that add nothing left out.")
    ]
    comparables: Annotated[list[Comparable], Field(description="The most similar first.")]
    milliseconds: float


@final
class Refusal(TypedDict):
    """What takes the place of an answer in a batch, for a listing that cannot be used."""

    error: Problem


def _kind_of_outcome(found: Mapping[str, Any]) -> str:
    return "refusal" if "error" in found else "answer"


Outcome = Annotated[
    Annotated[Answer, Tag("answer")] | Annotated[Refusal, Tag("refusal")], Discriminator(_kind_of_outcome)
]
"""What a batch has for a listing. The discriminator makes it a ``oneOf`` in schemas: of an ``anyOf``, BentoML's client
would read everything as the first alternative."""


class BatchAnswer(TypedDict):
    """The answers for several listings, all by one version of the model."""

    answers: Annotated[list[Outcome], Field(description="One for each listing, in order.")]


class AcceptedPrice(TypedDict):
    """Feedback of a market whose listings have a price, as it was recorded."""

    feedback_id: Identifier
    prediction_id: Identifier
    price: float
    price_kind: Annotated[PriceKind | None, Field(description="Null where the market does not say which it predicts.")]
    observed_at: Moment
    received_at: Moment


class AcceptedCategory(TypedDict):
    """Feedback of a market whose listings have a class, as it was recorded."""

    feedback_id: Identifier
    prediction_id: Identifier
    price_category: str
    observed_at: Moment
    received_at: Moment


def _kind_of_accepted(found: Mapping[str, Any]) -> str:
    return "price" if "price" in found else "category"


Accepted = Annotated[
    Annotated[AcceptedPrice, Tag("price")] | Annotated[AcceptedCategory, Tag("category")],
    Discriminator(_kind_of_accepted),
]


class Version(TypedDict):
    """A version of the model that answers; the rule has neither `metrics` nor `fingerprints`."""

    model_version: str
    tier: Tier
    bands: Annotated[dict[str, Any], Field(description="What its categories mean: the contract of its lineage.")]
    metrics: NotRequired[dict[str, float]]
    fingerprints: NotRequired[dict[str, str]]


class ServedVersion(TypedDict):
    """A version of the model, and since when it has answered."""

    version: str
    tier: Tier
    since: Moment


class TierState(TypedDict):
    """The state of one of the places that a model can come from."""

    status: Annotated[str, Field(description="serving, available, absent, refused or unreachable.")]
    version: str | None
    reason: Annotated[str | None, Field(description="Why there is no model.")]


class RegistryState(TypedDict):
    """What is known of the model registry."""

    url: str | None
    breakers: Annotated[dict[str, str] | None, Field(description="State of each circuit breaker.")]
    aliases: Annotated[dict[str, int], Field(description="The version that each alias points to.")]
    aliases_confirmed: bool
    age_seconds: Annotated[float | None, Field(description="Time since the registry last answered.")]
    last_error: str | None
    cache_error: str | None


class ModelsState(TypedDict):
    """Which model answers, and the state of each place that a model can come from."""

    status: HealthStatus
    reasons: list[str]
    champion: ServedVersion | None
    challenger: ServedVersion | None
    tiers: dict[str, TierState]
    registry: RegistryState
    refreshed_seconds_ago: float | None


class Models(TypedDict):
    """The versions that answer, and where they came from."""

    champion: Version
    challenger: Version | None
    challenger_share: Annotated[Share, Field(description="Share of the request keys that the challenger answers.")]
    shadow: Annotated[bool, Field(description="Whether the challenger predicts what the champion answers, too.")]
    source: ModelsState


class StoreState(TypedDict):
    """How shipping records to the prediction store goes."""

    pending_bytes: Annotated[int, Field(description="Of the journal of this host.")]
    oldest_pending_seconds: float | None
    last_shipped_at: Moment | None
    last_error: str | None
    shipped: Annotated[int, Field(description="Records since the start.")]
    damaged: Annotated[int, Field(description="Records since the start that were set aside.")]


class Health(TypedDict):
    """The state of the model and of each dependency."""

    status: HealthStatus
    golden_rows: Annotated[str, Field(description="Whether the model still answers as it was evaluated.")]
    models: ModelsState
    prediction_store: StoreState


class ServerMetadata(TypedDict):
    """What the Open Inference Protocol asks of a server."""

    name: str
    version: str
    extensions: list[str]


class Liveness(TypedDict):
    """Whether the server answers."""

    live: bool


class Readiness(TypedDict):
    """Whether the server and its model answer."""

    name: str
    live: bool
    ready: bool


class TensorMetadata(TypedDict):
    """A tensor that the model takes or answers."""

    name: str
    datatype: str
    shape: Annotated[list[int], Field(description="-1 stands for as many as there are listings.")]


class ModelMetadata(TypedDict):
    """The model's tensors."""

    name: str
    platform: Annotated[str, Field(description="Framework and format of the model's files.")]
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class Tensor(TypedDict):
    """An output, with an element for each listing."""

    name: str
    datatype: Literal["BYTES", "FP64"]
    shape: list[int]
    data: list[str | float]


class InferenceResponse(TypedDict):
    """The answers for several listings, as tensors."""

    model_name: str
    model_version: NotRequired[Annotated[str, Field(description="Where one version answered all of them.")]]
    id: NotRequired[Annotated[str, Field(description="That of the request.")]]
    outputs: list[Tensor]


class InferenceProblem(Problem):
    """Why a request is not answered, as the Open Inference Protocol has it, too."""

    error: Annotated[str, Field(description="The same as `detail`.")]
