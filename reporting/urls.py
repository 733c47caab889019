"""Addresses of the reporting app."""

from __future__ import annotations

from django.urls import path

from reporting.api import api, marked
from reporting.views import (
    alerts,
    analytics,
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

_API, _, _NAMESPACE = api.urls

urlpatterns = [
    path("metrics", metrics.metrics, name="metrics"),
    path("api/v1/", (marked(_API), "api", _NAMESPACE)),
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
