import { ews } from '../../protocols/ews/library.js';
import { SEARCH_KEY } from '../../protocols/ews/item-list.js';
import type { ItemKind } from '../../mailbox/kinds.js';
import { ORIGINAL_ADDRESSES, PERSONAL_HOME_PAGE } from './map/contact.js';
import { NOTE_COLOUR } from './map/note.js';

type Property = InstanceType<typeof ews.PropertyDefinitionBase>;

/** PSETID_Note ([MS-OXPROPS] 1.3.2). */
const NOTES_SET = '0006200E-0000-0000-C000-000000000046';

const always = (): Property[] => [
  ews.ItemSchema.ItemClass,
  ews.ItemSchema.Subject,
  ews.ItemSchema.Body,
  ews.ItemSchema.Categories,
  ews.ItemSchema.DateTimeCreated,
  ews.ItemSchema.LastModifiedTime,
  ews.ItemSchema.Sensitivity,
  new ews.ExtendedPropertyDefinition(SEARCH_KEY, ews.MapiPropertyType.Binary),
];

const reminders = (): Property[] => [
  ews.ItemSchema.IsReminderSet,
  ews.ItemSchema.ReminderDueBy,
  ews.ItemSchema.ReminderMinutesBeforeStart,
];

const OWN: Readonly<Record<Exclude<ItemKind, 'mail'>, () => Property[]>> = {
  calendars: () => [
    ...reminders(),
    ews.ItemSchema.Attachments,
    ews.AppointmentSchema.ICalUid,
    ews.AppointmentSchema.ICalDateTimeStamp,
    ews.AppointmentSchema.Start,
    ews.AppointmentSchema.End,
    ews.AppointmentSchema.StartTimeZone,
    ews.AppointmentSchema.EndTimeZone,
    ews.AppointmentSchema.IsAllDayEvent,
    ews.AppointmentSchema.LegacyFreeBusyStatus,
    ews.AppointmentSchema.Location,
    ews.AppointmentSchema.IsCancelled,
    ews.AppointmentSchema.MyResponseType,
    ews.AppointmentSchema.Organizer,
    ews.AppointmentSchema.RequiredAttendees,
    ews.AppointmentSchema.OptionalAttendees,
    ews.AppointmentSchema.Resources,
    ews.AppointmentSchema.AppointmentSequenceNumber,
    ews.AppointmentSchema.Recurrence,
    ews.AppointmentSchema.ModifiedOccurrences,
    ews.AppointmentSchema.DeletedOccurrences,
  ],
  contacts: () => [
    ews.ItemSchema.Attachments,
    ews.ItemSchema.HasAttachments,
    ...[
      ews.ContactSchema.FileAs,
      ews.ContactSchema.DisplayName,
      ews.ContactSchema.GivenName,
      ews.ContactSchema.MiddleName,
    ],
    ...[
      ews.ContactSchema.Surname,
      ews.ContactSchema.Generation,
      ews.ContactSchema.NickName,
      ews.ContactSchema.CompleteName,
    ],
    ...[
      ews.ContactSchema.CompanyName,
      ews.ContactSchema.Department,
      ews.ContactSchema.JobTitle,
      ews.ContactSchema.Profession,
    ],
    ...[ews.ContactSchema.EmailAddresses, ews.ContactSchema.PhysicalAddresses, ews.ContactSchema.PhoneNumbers],
    ...[ews.ContactSchema.ImAddresses, ews.ContactSchema.BusinessHomePage, ews.ContactSchema.Birthday],
    ...[ews.ContactSchema.WeddingAnniversary, ews.ContactSchema.AssistantName, ews.ContactSchema.Manager],
    ...[
      ews.ContactSchema.SpouseName,
      ews.ContactSchema.Children,
      ews.ContactSchema.OfficeLocation,
      ews.ContactSchema.HasPicture,
    ],
    ews.ContactGroupSchema.Members,
    new ews.ExtendedPropertyDefinition(PERSONAL_HOME_PAGE, ews.MapiPropertyType.String),
    ...ORIGINAL_ADDRESSES.map(
      (id) =>
        new ews.ExtendedPropertyDefinition(ews.DefaultExtendedPropertySet.Address, id, ews.MapiPropertyType.String),
    ),
  ],
  tasks: () => [
    ...reminders(),
    ews.ItemSchema.Attachments,
    ews.ItemSchema.Importance,
    ews.TaskSchema.StartDate,
    ews.TaskSchema.DueDate,
    ews.TaskSchema.CompleteDate,
    ews.TaskSchema.PercentComplete,
    ews.TaskSchema.Status,
    ews.TaskSchema.Recurrence,
  ],
  notes: () => [new ews.ExtendedPropertyDefinition(new ews.Guid(NOTES_SET), NOTE_COLOUR, ews.MapiPropertyType.Integer)],
};

/** Everything that is asked of an item of this kind. Each by name: what "all properties" are differs between servers. */
export function propertiesFor(kind: Exclude<ItemKind, 'mail'>): Property[] {
  return [...always(), ...OWN[kind]()];
}

/** What a report names of an item. */
export function descriptionProperties(): Property[] {
  return [
    ews.ItemSchema.Subject,
    ews.ItemSchema.DateTimeReceived,
    ews.ItemSchema.DateTimeCreated,
    ews.EmailMessageSchema.From,
    ews.AppointmentSchema.Start,
    ews.AppointmentSchema.Organizer,
    ews.ContactSchema.EmailAddresses,
  ];
}
