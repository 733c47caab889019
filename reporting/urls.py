"""Addresses of the reporting app."""

from __future__ import annotations

from django.urls import path

from reporting.api import api, framed
from reporting.views import (
    alerts,
    analytics,
    api_docs,
    api_keys,
    audit,
    cloud_account_tasks,
    metrics,
    notifications,
    overview,
    reports,
    sessions,
    tasks,
)

app_name = "reporting"

_ACCOUNT = "accounts/<uuid:account>/"
_TASK = f"{_ACCOUNT}tasks/<uuid:task>/"
_CLOUD_TASK = "cloud-accounts/<uuid:cloud_account>/tasks/<uuid:task>/"
_NOTIFICATIONS = f"{_ACCOUNT}notifications/"

_ALERTS = f"{_ACCOUNT}settings/alerts/"
_ALERT = f"{_ALERTS}<uuid:rule>/"
_KEYS = f"{_ACCOUNT}settings/api-keys/"
_ORGANIZATION_KEYS = "organizations/<uuid:organization>/api-keys/"
_CUSTOMER_KEYS = "customers/<uuid:customer>/api-keys/"

_API, _, _NAMESPACE = api.urls

urlpatterns = [
    path("metrics", metrics.metrics, name="metrics"),
    path("api/v1/docs", api_docs.api_docs, name="api_docs"),
    path("api/v1/", (framed(_API), "api", _NAMESPACE)),
    path(_ACCOUNT, overview.overview, name="overview"),
    path(f"{_ACCOUNT}tasks/", tasks.task_list, name="task_list"),
    path(f"{_ACCOUNT}tasks/widget/", tasks.task_widget, name="task_widget"),
    path(f"{_ACCOUNT}tasks/acknowledge/", tasks.task_acknowledge_all, name="task_acknowledge_all"),
    path(_TASK, tasks.task_detail, name="task_detail"),
    path(f"{_TASK}cancel/", tasks.task_cancel, name="task_cancel"),
    path(f"{_TASK}retry/", tasks.task_retry, name="task_retry"),
    path(f"{_TASK}acknowledge/", tasks.task_acknowledge, name="task_acknowledge"),
    path(_NOTIFICATIONS, notifications.notification_list, name="notification_list"),
    path(
        f"{_NOTIFICATIONS}dismiss/",
        notifications.notification_dismiss_all,
        name="notification_dismiss_all",
    ),
    path(
        f"{_NOTIFICATIONS}<uuid:notification>/dismiss/",
        notifications.notification_dismiss,
        name="notification_dismiss",
    ),
    path(_ALERTS, alerts.alert_list, name="alert_list"),
    path(f"{_ALERTS}create/", alerts.alert_create, name="alert_create"),
    path(_ALERT, alerts.alert_detail, name="alert_detail"),
    path(f"{_ALERT}edit/", alerts.alert_edit, name="alert_edit"),
    path(f"{_ALERT}delete/", alerts.alert_delete, name="alert_delete"),
    path(f"{_ALERT}pause/", alerts.alert_pause, name="alert_pause"),
    path(f"{_ALERT}test/", alerts.alert_test, name="alert_test"),
    path(f"{_ACCOUNT}audit/", audit.audit_list, name="audit_list"),
    path(_KEYS, api_keys.api_key_list, name="api_key_list"),
    path(f"{_KEYS}create/", api_keys.api_key_create, name="api_key_create"),
    path(f"{_KEYS}<uuid:api_key>/revoke/", api_keys.api_key_revoke, name="api_key_revoke"),
    path(_ORGANIZATION_KEYS, api_keys.organization_api_key_list, name="organization_api_key_list"),
    path(
        f"{_ORGANIZATION_KEYS}create/",
        api_keys.organization_api_key_create,
        name="organization_api_key_create",
    ),
    path(
        f"{_ORGANIZATION_KEYS}<uuid:api_key>/revoke/",
        api_keys.organization_api_key_revoke,
        name="organization_api_key_revoke",
    ),
    path(_CUSTOMER_KEYS, api_keys.customer_api_key_list, name="customer_api_key_list"),
    path(
        f"{_CUSTOMER_KEYS}create/",
        api_keys.customer_api_key_create,
        name="customer_api_key_create",
    ),
    path(
        f"{_CUSTOMER_KEYS}<uuid:api_key>/revoke/",
        api_keys.customer_api_key_revoke,
        name="customer_api_key_revoke",
    ),
    path(f"{_ACCOUNT}session-trail/", sessions.session_list, name="session_list"),
    path(f"{_ACCOUNT}session-logs/", sessions.session_log_list, name="session_log_list"),
    path(
        f"{_ACCOUNT}session-logs/<uuid:session>/",
        sessions.session_log_detail,
        name="session_log_detail",
    ),
    path(f"{_ACCOUNT}reports/", reports.report_list, name="report_list"),
    path(f"{_ACCOUNT}reports/print/", reports.report_print, name="report_print"),
    path(f"{_ACCOUNT}reports/<slug:data_type>/csv/", reports.report_export, name="report_export"),
    path(
        f"{_ACCOUNT}analytics/<slug:data_type>/",
        analytics.analytics_detail,
        name="analytics_detail",
    ),
    path(_CLOUD_TASK, cloud_account_tasks.cloud_account_task, name="cloud_account_task"),
    path(
        f"{_CLOUD_TASK}cancel/",
        cloud_account_tasks.cloud_account_task_cancel,
        name="cloud_account_task_cancel",
    ),
]
