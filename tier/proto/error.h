#ifndef PROTO_ERROR_H
#define PROTO_ERROR_H

#include <stdbool.h>

#include "base/view.h"
#include "base/writer.h"

/*
 * What clients see when something is refused: one row per code of the REST
 * page "Blob service error codes" and "Common REST API error codes".
 * X(id, code, status, retryable, message)
 */
/* clang-format off */
#define PROTO_ERRORS(X) \
    X(NO_AUTHENTICATION_INFORMATION, "NoAuthenticationInformation", 401, 0, "Server failed to authenticate the request. Please refer to the information in the www-authenticate header.") \
    X(INVALID_AUTHENTICATION_INFO, "InvalidAuthenticationInfo", 400, 0, "Authentication information is not given in the correct format. Check the value of Authorization header.") \
    X(INVALID_BEARER_TOKEN, "InvalidAuthenticationInfo", 401, 0, "Server failed to authenticate the request. Please refer to the information in the www-authenticate header.") \
    X(AUTHENTICATION_FAILED, "AuthenticationFailed", 403, 0, "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature.") \
    X(AUTHORIZATION_FAILURE, "AuthorizationFailure", 403, 0, "This request is not authorized to perform this operation.") \
    X(AUTHORIZATION_PERMISSION_MISMATCH, "AuthorizationPermissionMismatch", 403, 0, "This request is not authorized to perform this operation using this permission.") \
    X(AUTHORIZATION_SERVICE_MISMATCH, "AuthorizationServiceMismatch", 403, 0, "This request is not authorized to perform this operation using this service.") \
    X(AUTHORIZATION_RESOURCE_TYPE_MISMATCH, "AuthorizationResourceTypeMismatch", 403, 0, "This request is not authorized to perform this operation using this resource type.") \
    X(AUTHORIZATION_PROTOCOL_MISMATCH, "AuthorizationProtocolMismatch", 403, 0, "This request is not authorized to perform this operation using this protocol.") \
    X(AUTHORIZATION_SOURCE_IP_MISMATCH, "AuthorizationSourceIPMismatch", 403, 0, "This request is not authorized to perform this operation using this source IP.") \
    X(UNAUTHORIZED_BLOB_OVERWRITE, "UnauthorizedBlobOverwrite", 403, 0, "This request is not authorized to perform blob overwrites.") \
    X(INSUFFICIENT_ACCOUNT_PERMISSIONS, "InsufficientAccountPermissions", 403, 0, "The account being accessed does not have sufficient permissions to execute this operation.") \
    X(ACCOUNT_IS_DISABLED, "AccountIsDisabled", 403, 0, "The specified account is disabled.") \
    X(CORS_PREFLIGHT_FAILURE, "CorsPreflightFailure", 403, 0, "CORS not enabled or no matching rule found for this request.") \
    X(PUBLIC_ACCESS_NOT_PERMITTED, "PublicAccessNotPermitted", 409, 0, "Public access is not permitted on this storage account.") \
    X(RESOURCE_NOT_FOUND, "ResourceNotFound", 404, 0, "The specified resource does not exist.") \
    X(CONTAINER_NOT_FOUND, "ContainerNotFound", 404, 0, "The specified container does not exist.") \
    X(BLOB_NOT_FOUND, "BlobNotFound", 404, 0, "The specified blob does not exist.") \
    X(CANNOT_VERIFY_COPY_SOURCE, "CannotVerifyCopySource", 404, 0, "Could not verify the copy source within the specified time.") \
    X(COPY_SOURCE_UNAUTHORIZED, "CannotVerifyCopySource", 401, 0, "Server failed to authenticate the request for the copy source.") \
    X(COPY_SOURCE_FORBIDDEN, "CannotVerifyCopySource", 403, 0, "This request is not authorized to read the copy source.") \
    X(COPY_SOURCE_CONFLICT, "CannotVerifyCopySource", 409, 0, "The copy source is in a state in which it cannot be read.") \
    X(COPY_SOURCE_FAILED, "CannotVerifyCopySource", 500, 1, "Could not verify the copy source within the specified time.") \
    X(COPY_SOURCE_BUSY, "CannotVerifyCopySource", 503, 1, "The copy source is currently unable to receive requests.") \
    X(CONTAINER_ALREADY_EXISTS, "ContainerAlreadyExists", 409, 0, "The specified container already exists.") \
    X(CONTAINER_BEING_DELETED, "ContainerBeingDeleted", 409, 1, "The specified container is being deleted. Try operation later.") \
    X(BLOB_ALREADY_EXISTS, "BlobAlreadyExists", 409, 0, "The specified blob already exists.") \
    X(INVALID_BLOB_TYPE, "InvalidBlobType", 409, 0, "The blob type is invalid for this operation.") \
    X(BLOB_ARCHIVED, "BlobArchived", 409, 0, "This operation is not permitted on an archived blob.") \
    X(BLOB_IMMUTABLE_DUE_TO_POLICY, "BlobImmutableDueToPolicy", 409, 0, "This operation is not permitted as the blob is immutable due to a policy.") \
    X(BLOCK_COUNT_EXCEEDS_LIMIT, "BlockCountExceedsLimit", 409, 0, "The uncommitted block count cannot exceed the maximum limit of 100,000 blocks.") \
    X(SNAPSHOTS_PRESENT, "SnapshotsPresent", 409, 0, "This operation is not permitted because the blob has snapshots.") \
    X(PENDING_COPY_OPERATION, "PendingCopyOperation", 409, 0, "There is currently a pending copy operation.") \
    X(NO_PENDING_COPY_OPERATION, "NoPendingCopyOperation", 409, 0, "There is currently no pending copy operation.") \
    X(LEASE_ALREADY_PRESENT, "LeaseAlreadyPresent", 409, 0, "There is already a lease present.") \
    X(FEATURE_VERSION_MISMATCH, "FeatureVersionMismatch", 409, 0, "The operation is not supported by the version of the resource.") \
    X(CONDITION_NOT_MET, "ConditionNotMet", 412, 0, "The condition specified using HTTP conditional header(s) is not met.") \
    X(NOT_MODIFIED, "ConditionNotMet", 304, 0, "The condition specified using HTTP conditional header(s) is not met.") \
    X(SOURCE_CONDITION_NOT_MET, "SourceConditionNotMet", 412, 0, "The source condition specified using HTTP conditional header(s) is not met.") \
    X(TARGET_CONDITION_NOT_MET, "TargetConditionNotMet", 412, 0, "The target condition specified using HTTP conditional header(s) is not met.") \
    X(LEASE_ID_MISSING, "LeaseIdMissing", 412, 0, "There is currently a lease on the blob and no lease ID was specified in the request.") \
    X(LEASE_NOT_PRESENT_WITH_BLOB_OPERATION, "LeaseNotPresentWithBlobOperation", 412, 0, "There is currently no lease on the blob.") \
    X(LEASE_NOT_PRESENT_WITH_CONTAINER_OPERATION, "LeaseNotPresentWithContainerOperation", 412, 0, "There is currently no lease on the container.") \
    X(INVALID_RANGE, "InvalidRange", 416, 0, "The range specified is invalid for the current size of the resource.") \
    X(MISSING_CONTENT_LENGTH_HEADER, "MissingContentLengthHeader", 411, 0, "Content-Length HTTP header is missing.") \
    X(REQUEST_BODY_TOO_LARGE, "RequestBodyTooLarge", 413, 0, "The request body is too large and exceeds the maximum permissible limit.") \
    X(REQUEST_URI_TOO_LONG, "InvalidUri", 414, 0, "The requested URI is too long.") \
    X(REQUEST_HEADERS_TOO_LARGE, "RequestHeaderFieldsTooLarge", 431, 0, "The request headers are too large.") \
    X(UNSUPPORTED_HTTP_VERB, "UnsupportedHttpVerb", 405, 0, "The resource doesn't support specified Http Verb.") \
    X(INVALID_URI, "InvalidUri", 400, 0, "The requested URI does not represent any resource on the server.") \
    X(INVALID_RESOURCE_NAME, "InvalidResourceName", 400, 0, "The specified resource name contains invalid characters.") \
    X(OUT_OF_RANGE_INPUT, "OutOfRangeInput", 400, 0, "The specified resource name length is not within the permissible limits.") \
    X(INVALID_INPUT, "InvalidInput", 400, 0, "One of the request inputs is not valid.") \
    X(INVALID_OPERATION, "InvalidOperation", 400, 0, "Invalid operation against a blob resource.") \
    X(INVALID_HEADER_VALUE, "InvalidHeaderValue", 400, 0, "The value for one of the HTTP headers is not in the correct format.") \
    X(MISSING_REQUIRED_HEADER, "MissingRequiredHeader", 400, 0, "An HTTP header that's mandatory for this request is not specified.") \
    X(UNSUPPORTED_HEADER, "UnsupportedHeader", 400, 0, "One of the HTTP headers specified in the request is not supported.") \
    X(EMPTY_METADATA_KEY, "EmptyMetadataKey", 400, 0, "The key for one of the metadata key-value pairs is empty.") \
    X(INVALID_METADATA, "InvalidMetadata", 400, 0, "The metadata specified is invalid. It has characters that are not permitted.") \
    X(METADATA_TOO_LARGE, "MetadataTooLarge", 400, 0, "The size of the specified metadata exceeds the maximum size permitted.") \
    X(INVALID_QUERY_PARAMETER_VALUE, "InvalidQueryParameterValue", 400, 0, "Value for one of the query parameters specified in the request URI is invalid.") \
    X(OUT_OF_RANGE_QUERY_PARAMETER_VALUE, "OutOfRangeQueryParameterValue", 400, 0, "One of the query parameters specified in the request URI is outside the permissible range.") \
    X(MISSING_REQUIRED_QUERY_PARAMETER, "MissingRequiredQueryParameter", 400, 0, "A query parameter that's mandatory for this request is not specified.") \
    X(UNSUPPORTED_QUERY_PARAMETER, "UnsupportedQueryParameter", 400, 0, "One of the query parameters specified in the request URI is not supported.") \
    X(INVALID_XML_DOCUMENT, "InvalidXmlDocument", 400, 0, "XML specified is not syntactically valid.") \
    X(INVALID_XML_NODE_VALUE, "InvalidXmlNodeValue", 400, 0, "The value for one of the XML nodes is not in the correct format.") \
    X(MISSING_REQUIRED_XML_NODE, "MissingRequiredXmlNode", 400, 0, "An XML node that's mandatory for this request is not specified.") \
    X(UNSUPPORTED_XML_NODE, "UnsupportedXmlNode", 400, 0, "One of the XML nodes specified in the request body is not supported.") \
    X(INVALID_MD5, "InvalidMd5", 400, 0, "The MD5 value specified in the request is invalid. MD5 value must be 128 bits and base64 encoded.") \
    X(MD5_MISMATCH, "Md5Mismatch", 400, 0, "The MD5 value specified in the request did not match with the MD5 value calculated by the server.") \
    X(CRC64_MISMATCH, "Crc64Mismatch", 400, 0, "The CRC64 value specified in the request did not match with the CRC64 value calculated by the server.") \
    X(BOTH_CRC64_AND_MD5_HEADER_PRESENT, "BothCrc64AndMd5HeaderPresent", 400, 0, "Both x-ms-content-crc64 header and Content-MD5 header are present.") \
    X(INVALID_BLOB_OR_BLOCK, "InvalidBlobOrBlock", 400, 0, "The specified blob or block content is invalid.") \
    X(INVALID_BLOCK_ID, "InvalidBlockId", 400, 0, "The specified block ID is invalid. The block ID must be Base64 encoded.") \
    X(INVALID_BLOCK_LIST, "InvalidBlockList", 400, 0, "The specified block list is invalid.") \
    X(BLOCK_LIST_TOO_LONG, "BlockListTooLong", 400, 0, "The block list may not contain more than 50,000 blocks.") \
    X(INVALID_BLOB_TIER, "InvalidBlobTier", 400, 0, "The specified blob tier is invalid.") \
    X(MULTIPLE_CONDITION_HEADERS_NOT_SUPPORTED, "MultipleConditionHeadersNotSupported", 400, 0, "Multiple condition headers are not supported.") \
    X(CONDITION_HEADERS_NOT_SUPPORTED, "ConditionHeadersNotSupported", 400, 0, "Condition headers are not supported.") \
    X(UNSATISFIABLE_CONDITION, "UnsatisfiableCondition", 400, 0, "The request includes an unsatisfiable condition for this operation.") \
    X(OPERATION_NOT_SUPPORTED, "OperationNotSupported", 400, 0, "The operation is not supported by this service.") \
    X(ACCOUNT_NOT_FOUND, "ResourceNotFound", 404, 0, "The specified account does not exist here.") \
    X(INTERNAL_ERROR, "InternalError", 500, 1, "Server encountered an internal error. Please try again after some time.") \
    X(OPERATION_TIMED_OUT, "OperationTimedOut", 500, 1, "Operation could not be completed within the specified time.") \
    X(NOT_IMPLEMENTED, "NotImplemented", 501, 0, "The requested operation is not implemented on this service.") \
    X(HTTP_VERSION_NOT_SUPPORTED, "HttpVersionNotSupported", 505, 0, "This HTTP version is not supported here; use HTTP/1.1.") \
    X(SERVER_BUSY, "ServerBusy", 503, 1, "The server is currently unable to receive requests. Please retry your request.") \
    X(KEY_BASED_AUTHENTICATION_NOT_PERMITTED, "KeyBasedAuthenticationNotPermitted", 403, 0, "Key based authentication is not permitted on this storage account.") \
    X(CONTAINER_DISABLED, "ContainerDisabled", 409, 0, "The specified container has been disabled by the administrator.") \
    X(CONTAINER_HAS_LEGAL_HOLD, "ContainerHasLegalHold", 409, 0, "The container has a legal hold on it.") \
    X(CONTAINER_IMMUTABILITY_POLICY_LOCKED, "ContainerImmutabilityPolicyLocked", 409, 0, "The container has a locked immutability policy.") \
    X(ACCOUNT_PROTECTED_FROM_DELETION, "AccountProtectedFromDeletion", 409, 0, "The account is protected from deletion.") \
    X(ACCOUNT_ALREADY_EXISTS, "AccountAlreadyExists", 409, 0, "The specified account already exists.") \
    X(ACCOUNT_BEING_CREATED, "AccountBeingCreated", 409, 1, "The specified account is in the process of being created.") \
    X(BLOB_OVERWRITTEN, "BlobOverwritten", 409, 0, "The blob has been overwritten since the operation began.") \
    X(BLOB_BEING_REHYDRATED, "BlobBeingRehydrated", 409, 0, "This operation is not permitted because the blob is being rehydrated.") \
    X(BLOB_NOT_ARCHIVED, "BlobNotArchived", 409, 0, "This operation is not permitted because the blob is not archived.") \
    X(BLOB_IMMUTABLE_DUE_TO_LEGAL_HOLD, "BlobImmutableDueToLegalHold", 409, 0, "This operation is not permitted as the blob is immutable due to a legal hold.") \
    X(BLOB_OPERATION_NOT_SUPPORTED, "BlobOperationNotSupported", 409, 0, "The operation is not supported on a blob of this kind.") \
    X(BLOB_USES_CUSTOMER_SPECIFIED_ENCRYPTION, "BlobUsesCustomerSpecifiedEncryption", 409, 0, "The blob is encrypted with customer specified encryption, but it was not provided in the request.") \
    X(BLOB_CUSTOMER_SPECIFIED_ENCRYPTION_MISMATCH, "BlobCustomerSpecifiedEncryptionMismatch", 409, 0, "The given customer specified encryption does not match the encryption used to encrypt the blob.") \
    X(BLOB_TIER_INADEQUATE_FOR_CONTENT_LENGTH, "BlobTierInadequateForContentLength", 409, 0, "The specified blob tier size limit cannot be less than content length.") \
    X(CANNOT_CHANGE_TO_LOWER_TIER, "CannotChangeToLowerTier", 409, 0, "A higher blob tier has already been explicitly set.") \
    X(CONTENT_LENGTH_LARGER_THAN_TIER_LIMIT, "ContentLengthLargerThanTierLimit", 409, 0, "The blob's content length cannot exceed its tier limit.") \
    X(SNAPSHOT_COUNT_EXCEEDED, "SnapshotCountExceeded", 409, 0, "The snapshot count against this blob has been exceeded.") \
    X(SNAPSHOT_OPERATION_RATE_EXCEEDED, "SnapshotOperationRateExceeded", 409, 1, "The rate of snapshot operations against this blob has been exceeded.") \
    X(PREVIOUS_SNAPSHOT_NOT_FOUND, "PreviousSnapshotNotFound", 409, 0, "The previous snapshot is not found.") \
    X(PREVIOUS_SNAPSHOT_OPERATION_NOT_SUPPORTED, "PreviousSnapshotOperationNotSupported", 409, 0, "Differential Get Page Ranges is not supported on the previous snapshot.") \
    X(COPY_ID_MISMATCH, "CopyIdMismatch", 409, 0, "The specified copy ID did not match the copy ID for the pending copy operation.") \
    X(LEASE_ALREADY_BROKEN, "LeaseAlreadyBroken", 409, 0, "The lease has already been broken and cannot be broken again.") \
    X(LEASE_ID_MISMATCH_WITH_LEASE_OPERATION, "LeaseIdMismatchWithLeaseOperation", 409, 0, "The lease ID specified did not match the lease ID for the resource.") \
    X(LEASE_NOT_PRESENT_WITH_LEASE_OPERATION, "LeaseNotPresentWithLeaseOperation", 409, 0, "There is currently no lease on the resource.") \
    X(LEASE_IS_BREAKING_AND_CANNOT_BE_ACQUIRED, "LeaseIsBreakingAndCannotBeAcquired", 409, 0, "The lease is breaking and cannot be acquired until it is broken.") \
    X(LEASE_IS_BREAKING_AND_CANNOT_BE_CHANGED, "LeaseIsBreakingAndCannotBeChanged", 409, 0, "The lease is breaking and cannot be changed.") \
    X(LEASE_IS_BROKEN_AND_CANNOT_BE_RENEWED, "LeaseIsBrokenAndCannotBeRenewed", 409, 0, "The lease has been broken explicitly and cannot be renewed.") \
    X(RESOURCE_TYPE_MISMATCH, "ResourceTypeMismatch", 409, 0, "The specified resource type does not match the type of the existing resource.") \
    X(RESOURCE_ALREADY_EXISTS, "ResourceAlreadyExists", 409, 0, "The specified resource already exists.") \
    X(SYSTEM_IN_USE, "SystemInUse", 409, 1, "The specified container is in use by the system.") \
    X(BLOB_IS_SEALED, "BlobIsSealed", 409, 0, "The specified append blob is sealed and its contents cannot be modified.") \
    X(UNEXPECTED_SYNC_COPY_STATUS, "UnexpectedSyncCopyStatus", 409, 0, "Expected copy status success, but the copy did not complete.") \
    X(INVALID_SOURCE_BLOB_TYPE, "InvalidSourceBlobType", 409, 0, "The copy source blob type is invalid for this operation.") \
    X(INVALID_SOURCE_BLOB_URL, "InvalidSourceBlobUrl", 409, 0, "The source URL for the copy is invalid.") \
    X(INCREMENTAL_COPY_BLOB_MISMATCH, "IncrementalCopyBlobMismatch", 409, 0, "The specified source blob is different than the copy source of the existing incremental copy blob.") \
    X(INCREMENTAL_COPY_OF_ERALIER_VERSION_SNAPSHOT_NOT_ALLOWED, "IncrementalCopyOfEralierVersionSnapshotNotAllowed", 409, 0, "The specified snapshot is earlier than the last snapshot copied into the incremental copy blob.") \
    X(INCREMENTAL_COPY_SOURCE_MUST_BE_SNAPSHOT, "IncrementalCopySourceMustBeSnapshot", 409, 0, "The source for an incremental copy request must be a snapshot.") \
    X(OPERATION_NOT_ALLOWED_ON_INCREMENTAL_COPY_BLOB, "OperationNotAllowedOnIncrementalCopyBlob", 409, 0, "The specified operation is not allowed on an incremental copy blob.") \
    X(SEQUENCE_NUMBER_INCREMENT_TOO_LARGE, "SequenceNumberIncrementTooLarge", 409, 0, "The sequence number increment cannot be performed because it would result in overflow.") \
    X(LEASE_ID_MISMATCH_WITH_BLOB_OPERATION, "LeaseIdMismatchWithBlobOperation", 412, 0, "The lease ID specified did not match the lease ID for the blob.") \
    X(LEASE_ID_MISMATCH_WITH_CONTAINER_OPERATION, "LeaseIdMismatchWithContainerOperation", 412, 0, "The lease ID specified did not match the lease ID for the container.") \
    X(LEASE_LOST, "LeaseLost", 412, 0, "A lease ID was specified, but the lease for the resource has expired.") \
    X(INFINITE_LEASE_DURATION_REQUIRED, "InfiniteLeaseDurationRequired", 412, 0, "The lease ID matched, but the specified lease must be an infinite-duration lease.") \
    X(APPEND_POSITION_CONDITION_NOT_MET, "AppendPositionConditionNotMet", 412, 0, "The append position condition specified was not met.") \
    X(MAX_BLOB_SIZE_CONDITION_NOT_MET, "MaxBlobSizeConditionNotMet", 412, 0, "The max blob size condition specified was not met.") \
    X(SEQUENCE_NUMBER_CONDITION_NOT_MET, "SequenceNumberConditionNotMet", 412, 0, "The sequence number condition specified was not met.") \
    X(INVALID_PAGE_RANGE, "InvalidPageRange", 416, 0, "The page range specified is invalid.") \
    X(INVALID_HTTP_VERB, "InvalidHttpVerb", 400, 0, "The HTTP verb specified is invalid - it is not recognized by the server.") \
    X(REQUEST_URL_FAILED_TO_PARSE, "RequestUrlFailedToParse", 400, 0, "The url in the request could not be parsed.") \
    X(BLOB_ACCESS_TIER_NOT_SUPPORTED_FOR_ACCOUNT_TYPE, "BlobAccessTierNotSupportedForAccountType", 400, 0, "The access tier is not supported by this type of account.") \
    X(ACCESS_TIER_NOT_SUPPORTED_FOR_BLOB_TYPE, "AccessTierNotSupportedForBlobType", 400, 0, "The access tier is not supported for this blob type.") \
    X(INVALID_VERSION_FOR_PAGE_BLOB_OPERATION, "InvalidVersionForPageBlobOperation", 400, 0, "All operations on page blobs require at least version 2009-09-19.") \
    X(COPY_ACROSS_ACCOUNTS_NOT_SUPPORTED, "CopyAcrossAccountsNotSupported", 400, 0, "The copy source account and destination account must be the same.") \
    X(PREVIOUS_SNAPSHOT_CANNOT_BE_NEWER, "PreviousSnapshotCannotBeNewer", 400, 0, "The prevsnapshot query parameter value cannot be newer than the snapshot query parameter value.") \
    X(EMPTY_TAG_NAME, "EmptyTagName", 400, 0, "The name of one of the tag key-value pairs is empty.") \
    X(DUPLICATE_TAG_NAMES, "DuplicateTagNames", 400, 0, "The tags specified have duplicate names.") \
    X(INVALID_TAG, "InvalidTag", 400, 0, "The tags specified are invalid. They have characters that are not permitted.") \
    X(TAGS_TOO_LARGE, "TagsTooLarge", 400, 0, "The tags specified exceed the maximum permissible limit.") \
    X(BOTH_USER_TAGS_AND_SOURCE_TAGS_COPY_PRESENT_EXCEPTION, "BothUserTagsAndSourceTagsCopyPresentException", 400, 0, "Both x-ms-tags and a request to copy the source's tags are present.") \
    X(EXCEEDS_MAX_BATCH_REQUEST_COUNT, "ExceedsMaxBatchRequestCount", 400, 0, "The batch operation exceeds the maximum number of allowed subrequests, 256.")
/* clang-format on */

typedef enum {
    PROTO_OK = 0,
#define X(id, code, status, retryable, message) PROTO_ERR_##id,
    PROTO_ERRORS(X)
#undef X
        PROTO_ERR_COUNT
} proto_err_t;

typedef struct proto_error_row_s {
    const char *code;
    unsigned status;
    bool retryable;
    const char *message;
} proto_error_row_t;

const proto_error_row_t *proto_error_row(proto_err_t err);

/*
 * An error and what its document says beside code and message. Which nodes
 * `name` and `value` become follows from the error: HeaderName/HeaderValue,
 * QueryParameterName/QueryParameterValue, XmlNodeName/XmlNodeValue,
 * UserSpecifiedMd5/ServerCalculatedMd5, the same for CRC64,
 * UriPath (value); NotImplemented and OperationNotSupported say in their
 * message which operation (name) it is. `min` and `max` become MinimumAllowed
 * and MaximumAllowed, or MaxLimit of RequestBodyTooLarge. `reason` becomes
 * Reason, `detail` AuthenticationErrorDetail. Views are borrowed; absent ones
 * add nothing.
 */
typedef struct proto_fault_s {
    proto_err_t err;
    view_t name;
    view_t value;
    view_t reason;
    view_t detail;
    uint64_t min; /* what is allowed; 0 and 0: it does not say */
    uint64_t max;
} proto_fault_t;

/* Fills *fault and returns err: `return proto_fault(f, PROTO_ERR_X, n, v)` */
proto_err_t proto_fault(proto_fault_t *fault, proto_err_t err, view_t name,
                        view_t value);

/* The error document (REST: "Status and error codes"). request_id: 36
 * characters; now_s: Unix seconds. */
void proto_error_xml(writer_t *w, const proto_fault_t *fault,
                     view_t request_id, int64_t now_s);

#endif
