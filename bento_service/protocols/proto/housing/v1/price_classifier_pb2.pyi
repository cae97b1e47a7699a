from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Cell(_message.Message):
    __slots__ = ("text", "number")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    text: str
    number: float
    def __init__(self, text: _Optional[str] = ..., number: _Optional[float] = ...) -> None: ...

class Listing(_message.Message):
    __slots__ = ("cells",)
    class CellsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Cell
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Cell, _Mapping]] = ...) -> None: ...
    CELLS_FIELD_NUMBER: _ClassVar[int]
    cells: _containers.MessageMap[str, Cell]
    def __init__(self, cells: _Optional[_Mapping[str, Cell]] = ...) -> None: ...

class PredictRequest(_message.Message):
    __slots__ = ("listing", "request_key")
    LISTING_FIELD_NUMBER: _ClassVar[int]
    REQUEST_KEY_FIELD_NUMBER: _ClassVar[int]
    listing: Listing
    request_key: str
    def __init__(self, listing: _Optional[_Union[Listing, _Mapping]] = ..., request_key: _Optional[str] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("listing", "request_key")
    LISTING_FIELD_NUMBER: _ClassVar[int]
    REQUEST_KEY_FIELD_NUMBER: _ClassVar[int]
    listing: Listing
    request_key: str
    def __init__(self, listing: _Optional[_Union[Listing, _Mapping]] = ..., request_key: _Optional[str] = ...) -> None: ...

class PredictBatchRequest(_message.Message):
    __slots__ = ("listings", "request_key")
    LISTINGS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_KEY_FIELD_NUMBER: _ClassVar[int]
    listings: _containers.RepeatedCompositeFieldContainer[Listing]
    request_key: str
    def __init__(self, listings: _Optional[_Iterable[_Union[Listing, _Mapping]]] = ..., request_key: _Optional[str] = ...) -> None: ...

class PredictBatchResponse(_message.Message):
    __slots__ = ("answers",)
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    answers: _containers.RepeatedCompositeFieldContainer[BatchAnswer]
    def __init__(self, answers: _Optional[_Iterable[_Union[BatchAnswer, _Mapping]]] = ...) -> None: ...

class BatchAnswer(_message.Message):
    __slots__ = ("answer", "error")
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    answer: Answer
    error: Problem
    def __init__(self, answer: _Optional[_Union[Answer, _Mapping]] = ..., error: _Optional[_Union[Problem, _Mapping]] = ...) -> None: ...

class Answer(_message.Message):
    __slots__ = ("prediction_id", "price_category", "band", "model_version", "tier", "unseen", "probabilities", "estimate", "no_estimate")
    class ProbabilitiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    PREDICTION_ID_FIELD_NUMBER: _ClassVar[int]
    PRICE_CATEGORY_FIELD_NUMBER: _ClassVar[int]
    BAND_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    UNSEEN_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    ESTIMATE_FIELD_NUMBER: _ClassVar[int]
    NO_ESTIMATE_FIELD_NUMBER: _ClassVar[int]
    prediction_id: str
    price_category: str
    band: Band
    model_version: str
    tier: str
    unseen: _containers.RepeatedScalarFieldContainer[str]
    probabilities: _containers.ScalarMap[str, float]
    estimate: Estimate
    no_estimate: str
    def __init__(self, prediction_id: _Optional[str] = ..., price_category: _Optional[str] = ..., band: _Optional[_Union[Band, _Mapping]] = ..., model_version: _Optional[str] = ..., tier: _Optional[str] = ..., unseen: _Optional[_Iterable[str]] = ..., probabilities: _Optional[_Mapping[str, float]] = ..., estimate: _Optional[_Union[Estimate, _Mapping]] = ..., no_estimate: _Optional[str] = ...) -> None: ...

class Estimate(_message.Message):
    __slots__ = ("price", "interval_50", "interval_80", "forecast_deviation", "currency")
    PRICE_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_50_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_80_FIELD_NUMBER: _ClassVar[int]
    FORECAST_DEVIATION_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    price: float
    interval_50: Interval
    interval_80: Interval
    forecast_deviation: float
    currency: str
    def __init__(self, price: _Optional[float] = ..., interval_50: _Optional[_Union[Interval, _Mapping]] = ..., interval_80: _Optional[_Union[Interval, _Mapping]] = ..., forecast_deviation: _Optional[float] = ..., currency: _Optional[str] = ...) -> None: ...

class Interval(_message.Message):
    __slots__ = ("low", "high")
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    low: float
    high: float
    def __init__(self, low: _Optional[float] = ..., high: _Optional[float] = ...) -> None: ...

class Explanation(_message.Message):
    __slots__ = ("price_category", "probabilities", "band", "model_version", "tier", "unseen", "estimate", "no_estimate", "method", "no_contributions", "base_probabilities", "base_price", "remainder_factor", "contributions", "comparables", "milliseconds")
    class ProbabilitiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class BaseProbabilitiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    PRICE_CATEGORY_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    BAND_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    UNSEEN_FIELD_NUMBER: _ClassVar[int]
    ESTIMATE_FIELD_NUMBER: _ClassVar[int]
    NO_ESTIMATE_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    NO_CONTRIBUTIONS_FIELD_NUMBER: _ClassVar[int]
    BASE_PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    BASE_PRICE_FIELD_NUMBER: _ClassVar[int]
    REMAINDER_FACTOR_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTIONS_FIELD_NUMBER: _ClassVar[int]
    COMPARABLES_FIELD_NUMBER: _ClassVar[int]
    MILLISECONDS_FIELD_NUMBER: _ClassVar[int]
    price_category: str
    probabilities: _containers.ScalarMap[str, float]
    band: Band
    model_version: str
    tier: str
    unseen: _containers.RepeatedScalarFieldContainer[str]
    estimate: Estimate
    no_estimate: str
    method: str
    no_contributions: str
    base_probabilities: _containers.ScalarMap[str, float]
    base_price: float
    remainder_factor: float
    contributions: _containers.RepeatedCompositeFieldContainer[Contribution]
    comparables: _containers.RepeatedCompositeFieldContainer[Comparable]
    milliseconds: float
    def __init__(self, price_category: _Optional[str] = ..., probabilities: _Optional[_Mapping[str, float]] = ..., band: _Optional[_Union[Band, _Mapping]] = ..., model_version: _Optional[str] = ..., tier: _Optional[str] = ..., unseen: _Optional[_Iterable[str]] = ..., estimate: _Optional[_Union[Estimate, _Mapping]] = ..., no_estimate: _Optional[str] = ..., method: _Optional[str] = ..., no_contributions: _Optional[str] = ..., base_probabilities: _Optional[_Mapping[str, float]] = ..., base_price: _Optional[float] = ..., remainder_factor: _Optional[float] = ..., contributions: _Optional[_Iterable[_Union[Contribution, _Mapping]]] = ..., comparables: _Optional[_Iterable[_Union[Comparable, _Mapping]]] = ..., milliseconds: _Optional[float] = ...) -> None: ...

class Contribution(_message.Message):
    __slots__ = ("column", "probabilities", "price_factor")
    class ProbabilitiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    PRICE_FACTOR_FIELD_NUMBER: _ClassVar[int]
    column: str
    probabilities: _containers.ScalarMap[str, float]
    price_factor: float
    def __init__(self, column: _Optional[str] = ..., probabilities: _Optional[_Mapping[str, float]] = ..., price_factor: _Optional[float] = ...) -> None: ...

class Comparable(_message.Message):
    __slots__ = ("similarity", "price", "adjusted_price", "dated", "differences")
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    ADJUSTED_PRICE_FIELD_NUMBER: _ClassVar[int]
    DATED_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCES_FIELD_NUMBER: _ClassVar[int]
    similarity: float
    price: float
    adjusted_price: float
    dated: str
    differences: _containers.RepeatedCompositeFieldContainer[Difference]
    def __init__(self, similarity: _Optional[float] = ..., price: _Optional[float] = ..., adjusted_price: _Optional[float] = ..., dated: _Optional[str] = ..., differences: _Optional[_Iterable[_Union[Difference, _Mapping]]] = ...) -> None: ...

class Difference(_message.Message):
    __slots__ = ("column", "name", "theirs", "asked")
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    THEIRS_FIELD_NUMBER: _ClassVar[int]
    ASKED_FIELD_NUMBER: _ClassVar[int]
    column: str
    name: str
    theirs: _struct_pb2.Value
    asked: _struct_pb2.Value
    def __init__(self, column: _Optional[str] = ..., name: _Optional[str] = ..., theirs: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., asked: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ...) -> None: ...

class Band(_message.Message):
    __slots__ = ("above", "up_to", "currency", "price_kind")
    ABOVE_FIELD_NUMBER: _ClassVar[int]
    UP_TO_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    PRICE_KIND_FIELD_NUMBER: _ClassVar[int]
    above: float
    up_to: float
    currency: str
    price_kind: str
    def __init__(self, above: _Optional[float] = ..., up_to: _Optional[float] = ..., currency: _Optional[str] = ..., price_kind: _Optional[str] = ...) -> None: ...

class SendFeedbackRequest(_message.Message):
    __slots__ = ("prediction_id", "price", "observed_at", "price_category", "price_kind")
    PREDICTION_ID_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_AT_FIELD_NUMBER: _ClassVar[int]
    PRICE_CATEGORY_FIELD_NUMBER: _ClassVar[int]
    PRICE_KIND_FIELD_NUMBER: _ClassVar[int]
    prediction_id: str
    price: Cell
    observed_at: _timestamp_pb2.Timestamp
    price_category: str
    price_kind: str
    def __init__(self, prediction_id: _Optional[str] = ..., price: _Optional[_Union[Cell, _Mapping]] = ..., observed_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., price_category: _Optional[str] = ..., price_kind: _Optional[str] = ...) -> None: ...

class SendFeedbackResponse(_message.Message):
    __slots__ = ("feedback_id", "prediction_id", "price", "observed_at", "received_at", "price_category", "price_kind")
    FEEDBACK_ID_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_ID_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    OBSERVED_AT_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_FIELD_NUMBER: _ClassVar[int]
    PRICE_CATEGORY_FIELD_NUMBER: _ClassVar[int]
    PRICE_KIND_FIELD_NUMBER: _ClassVar[int]
    feedback_id: str
    prediction_id: str
    price: float
    observed_at: _timestamp_pb2.Timestamp
    received_at: _timestamp_pb2.Timestamp
    price_category: str
    price_kind: str
    def __init__(self, feedback_id: _Optional[str] = ..., prediction_id: _Optional[str] = ..., price: _Optional[float] = ..., observed_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., received_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., price_category: _Optional[str] = ..., price_kind: _Optional[str] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetModelResponse(_message.Message):
    __slots__ = ("champion", "challenger", "challenger_share", "shadow", "source")
    CHAMPION_FIELD_NUMBER: _ClassVar[int]
    CHALLENGER_FIELD_NUMBER: _ClassVar[int]
    CHALLENGER_SHARE_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    champion: Model
    challenger: Model
    challenger_share: float
    shadow: bool
    source: _struct_pb2.Struct
    def __init__(self, champion: _Optional[_Union[Model, _Mapping]] = ..., challenger: _Optional[_Union[Model, _Mapping]] = ..., challenger_share: _Optional[float] = ..., shadow: bool = ..., source: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("model_version", "tier", "bands", "metrics", "fingerprints")
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    BANDS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINTS_FIELD_NUMBER: _ClassVar[int]
    model_version: str
    tier: str
    bands: _struct_pb2.Struct
    metrics: _struct_pb2.Struct
    fingerprints: _struct_pb2.Struct
    def __init__(self, model_version: _Optional[str] = ..., tier: _Optional[str] = ..., bands: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., metrics: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., fingerprints: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class Problem(_message.Message):
    __slots__ = ("type", "title", "status", "detail", "errors")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    type: str
    title: str
    status: int
    detail: str
    errors: _containers.RepeatedCompositeFieldContainer[FieldError]
    def __init__(self, type: _Optional[str] = ..., title: _Optional[str] = ..., status: _Optional[int] = ..., detail: _Optional[str] = ..., errors: _Optional[_Iterable[_Union[FieldError, _Mapping]]] = ...) -> None: ...

class FieldError(_message.Message):
    __slots__ = ("field", "value", "message")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    field: str
    value: str
    message: str
    def __init__(self, field: _Optional[str] = ..., value: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...
